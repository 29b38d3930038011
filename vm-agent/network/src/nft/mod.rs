//! The packet filter: our nftables table, by nf_tables netlink (linux/netfilter/nf_tables.h, man 8 nft).
//!
//! [`Filter`] owns the table `inet berth` of the engine's network namespace; [`redirect_names`] makes the small table
//! of a sandbox with an embedded DNS server. Nothing is linked or started for it.

mod element;
mod expression;
mod filter;
mod foreign;
mod outside;
mod resolver;
mod ruleset;
mod transaction;

pub(crate) use element::Element;
pub(crate) use filter::Filter;
pub(crate) use foreign::{ForeignChain, foreign_forward_chains};
pub(crate) use resolver::redirect_names;
