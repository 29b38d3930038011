//! One transaction: everything in it happens at one instant, or nothing does.

use std::io;

use super::expression::{Expression, value};
use crate::netlink::{Batch, Socket};

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = SUBSYSTEM;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
const DELETE_ELEMENT: u16 = SUBSYSTEM | 14;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

/// `struct nfgenmsg` of the batch's ends: no family, the subsystem in network order.
const BATCH_HEADER: [u8; 4] = [0, 0, 0, 10];

/// How a base chain hangs in the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hook {
    /// `filter` or `nat`.
    pub(super) kind: &'static str,
    /// `NF_INET_*`.
    pub(super) number: u32,
    pub(super) priority: i32,
}

/// A set or map to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SetSpec {
    pub(super) name: &'static str,
    pub(super) flags: u32,
    /// nft's number for the type of the key, so that `nft list` shows it well: six bits for each part of a
    /// concatenation (`enum datatypes` of nftables).
    pub(super) key_type: u32,
    pub(super) key_length: u32,
    /// Type and length of a map's values.
    pub(super) data: Option<(u32, u32)>,
}

/// One element of a set, in the set's own byte layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RawElement {
    pub(super) key: Vec<u8>,
    /// First key after an interval that starts with `key`.
    pub(super) end: Option<Vec<u8>>,
    pub(super) data: Option<Vec<u8>>,
}

/// A transaction on one table.
#[derive(Debug)]
pub(super) struct Transaction {
    batch: Batch,
    /// `NFPROTO_*`
    family: u8,
    table: &'static str,
    sets: u32,
}

impl Transaction {
    pub(super) fn new(family: u8, table: &'static str) -> Transaction {
        let mut batch = Batch::new();
        batch.message(BATCH_BEGIN, NLM_F_REQUEST, &BATCH_HEADER, |_| {});
        Transaction { batch, family, table, sets: 0 }
    }

    fn header(&self) -> [u8; 4] {
        [self.family, 0, 0, 0]
    }

    /// Makes the table unless it exists.
    pub(super) fn table(&mut self) {
        let (header, table) = (self.header(), self.table);
        self.batch.message(NEW_TABLE, NLM_F_REQUEST | NLM_F_CREATE, &header, |a| a.text(1, table));
    }

    /// Makes a chain unless it exists.
    pub(super) fn chain(&mut self, name: &str, hook: Option<Hook>) {
        let (header, table) = (self.header(), self.table);
        self.batch.message(NEW_CHAIN, NLM_F_REQUEST | NLM_F_CREATE, &header, |a| {
            a.text(1, table);
            a.text(3, name);
            if let Some(hook) = hook {
                a.nest(4, |a| {
                    a.be32(1, hook.number);
                    a.be32(2, hook.priority as u32);
                });
                const ACCEPT: u32 = 1;
                a.be32(5, ACCEPT);
                a.text(7, hook.kind);
            }
        });
    }

    /// Removes all rules of a chain.
    pub(super) fn flush_chain(&mut self, name: &str) {
        let (header, table) = (self.header(), self.table);
        self.batch.message(DELETE_RULE, NLM_F_REQUEST, &header, |a| {
            a.text(1, table);
            a.text(2, name);
        });
    }

    /// Adds a rule at the end of a chain.
    pub(super) fn rule(&mut self, chain: &str, expressions: &[Expression]) {
        let (header, table) = (self.header(), self.table);
        self.batch.message(NEW_RULE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND, &header, |a| {
            a.text(1, table);
            a.text(2, chain);
            a.nest(4, |list| expressions.iter().for_each(|e| e.write(list)));
        });
    }

    /// Makes a set unless it exists, and empties it.
    pub(super) fn empty_set(&mut self, set: &SetSpec) {
        let (header, table) = (self.header(), self.table);
        self.sets += 1;
        let id = self.sets;
        self.batch.message(NEW_SET, NLM_F_REQUEST | NLM_F_CREATE, &header, |a| {
            a.text(1, table);
            a.text(2, set.name);
            a.be32(3, set.flags);
            a.be32(4, set.key_type);
            a.be32(5, set.key_length);
            if let Some((kind, length)) = set.data {
                a.be32(6, kind);
                a.be32(7, length);
            }
            a.be32(10, id);
        });
        self.batch.message(DELETE_ELEMENT, NLM_F_REQUEST, &header, |a| {
            a.text(1, table);
            a.text(2, set.name);
        });
    }

    /// Adds elements to a set.
    pub(super) fn add(&mut self, set: &str, elements: &[RawElement]) {
        self.elements(NEW_ELEMENT, NLM_F_REQUEST | NLM_F_CREATE, set, elements);
    }

    /// Removes elements from a set; one that is not there fails the transaction.
    pub(super) fn remove(&mut self, set: &str, elements: &[RawElement]) {
        self.elements(DELETE_ELEMENT, NLM_F_REQUEST, set, elements);
    }

    fn elements(&mut self, kind: u16, flags: u16, set: &str, elements: &[RawElement]) {
        /// `NFT_SET_ELEM_INTERVAL_END`
        const INTERVAL_END: u32 = 1;
        let (header, table) = (self.header(), self.table);
        // The length of a nest has 16 bits.
        for some in elements.chunks(256) {
            self.batch.message(kind, flags, &header, |a| {
                a.text(1, table);
                a.text(2, set);
                a.nest(3, |list| {
                    for element in some {
                        list.nest(1, |a| {
                            value(a, 1, &element.key);
                            if let Some(data) = &element.data {
                                value(a, 2, data);
                            }
                        });
                        if let Some(end) = &element.end {
                            list.nest(1, |a| {
                                value(a, 1, end);
                                a.be32(3, INTERVAL_END);
                            });
                        }
                    }
                });
            });
        }
    }

    /// Carries the transaction out.
    pub(super) fn commit(mut self, socket: &mut Socket) -> io::Result<()> {
        if self.batch.count() == 1 {
            return Ok(());
        }
        self.batch.message(BATCH_END, NLM_F_REQUEST, &BATCH_HEADER, |_| {});
        socket.commit(self.batch)
    }
}
