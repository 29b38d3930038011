//! One DNS query, answered from the table or found to be somebody else's. Pure.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::table::Table;
use crate::protocol::Resolver;

/// Seconds that an answer about a container may be kept; dockerd's value.
pub(super) const TTL: u32 = 600;

/// What to do with a query.
#[derive(Debug)]
pub(super) enum Verdict {
    Answer(Message),
    /// Not about a container.
    Outside {
        query: Message,
        question: Query,
    },
    /// No query at all: dropped.
    Nothing,
}

/// Looks a query up. `turn` rotates the addresses of names that several endpoints share.
pub(super) fn look_up(packet: &[u8], table: &Table, resolver: &Resolver, turn: usize) -> Verdict {
    let Ok(query) = Message::from_vec(packet) else {
        // Two bytes of id are all that an answer needs (RFC 1035, section 4.1.1).
        return match packet.first_chunk::<2>() {
            Some(id) => {
                let id = u16::from_be_bytes(*id);
                Verdict::Answer(Message::error_msg(id, OpCode::Query, ResponseCode::FormErr))
            }
            None => Verdict::Nothing,
        };
    };
    if query.metadata.message_type != MessageType::Query {
        return Verdict::Nothing;
    }
    if query.metadata.op_code != OpCode::Query {
        return Verdict::Answer(failed(&query, ResponseCode::NotImp));
    }
    let [question] = query.queries.as_slice() else {
        return Verdict::Answer(failed(&query, ResponseCode::FormErr));
    };
    let question = question.clone();
    if question.query_class != DNSClass::IN {
        return Verdict::Outside { query, question };
    }
    if question.query_type == RecordType::PTR {
        let address = question.name.parse_arpa_name().ok().filter(|net| net.prefix_len() == net.max_prefix_len());
        if let Some(name) = address.and_then(|net| table.reverse(resolver, net.addr()))
            && let Ok(name) = Name::from_utf8(format!("{name}."))
        {
            return Verdict::Answer(answer(&query, vec![RData::PTR(PTR(name))]));
        }
        return Verdict::Outside { query, question };
    }
    match table.addresses(resolver, &plain(&question.name)) {
        Some(mut found) => {
            let n = found.len().max(1);
            found.rotate_left(turn % n);
            // A name of ours with other types has no records of them: an empty answer, never a question outside.
            Verdict::Answer(answer(&query, records(&found, question.query_type)))
        }
        None => Verdict::Outside { query, question },
    }
}

/// The answer with these addresses, as far as they are of the type asked for, to be kept for `ttl` seconds.
pub(super) fn addresses(query: &Message, found: &[IpAddr], wanted: RecordType, ttl: u32) -> Message {
    let mut response = answer(query, records(found, wanted));
    for record in &mut response.answers {
        record.ttl = ttl;
    }
    response
}

/// An answer without records.
pub(super) fn failed(query: &Message, code: ResponseCode) -> Message {
    let mut response = answer(query, Vec::new());
    response.metadata.response_code = code;
    response
}

/// The name in lower case without the dot at its end.
pub(super) fn plain(name: &Name) -> String {
    let mut text = name.to_ascii().to_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}

fn records(found: &[IpAddr], wanted: RecordType) -> Vec<RData> {
    let of_type = |address: &IpAddr| match (address, wanted) {
        (IpAddr::V4(v4), RecordType::A) => Some(RData::A(A(*v4))),
        (IpAddr::V6(v6), RecordType::AAAA) => Some(RData::AAAA(AAAA(*v6))),
        _ => None,
    };
    found.iter().filter_map(of_type).collect()
}

fn answer(query: &Message, data: Vec<RData>) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.queries = query.queries.clone();
    if let Some(question) = query.queries.first() {
        response.answers = data.into_iter().map(|data| Record::from_rdata(question.name.clone(), TTL, data)).collect();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{EndpointNames, NameChange};

    fn table() -> (Table, Resolver) {
        let mut table = Table::default();
        for (endpoint, address) in [("1", "10.0.0.1"), ("2", "10.0.0.2")] {
            table.apply(NameChange::Put {
                network: "n".to_owned(),
                names: EndpointNames {
                    endpoint: endpoint.to_owned(),
                    names: vec!["web".to_owned(), endpoint.to_owned()],
                    network_name: "net".to_owned(),
                    addresses: vec![address.parse().unwrap()],
                },
            });
        }
        let resolver = Resolver {
            sandbox: "s".to_owned(),
            networks: vec!["n".to_owned()],
            upstream: Vec::new(),
            external: true,
            links: Vec::new(),
        };
        (table, resolver)
    }

    fn ask(name: &str, kind: RecordType, turn: usize) -> Verdict {
        let (table, resolver) = table();
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_utf8(name).unwrap(), kind));
        look_up(&query.to_vec().unwrap(), &table, &resolver, turn)
    }

    fn texts(verdict: Verdict) -> Vec<String> {
        match verdict {
            Verdict::Answer(message) => message.answers.iter().map(|record| record.data.to_string()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_take_turns() {
        assert_eq!(texts(ask("WEB.", RecordType::A, 0)), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(texts(ask("web.net.", RecordType::A, 1)), ["10.0.0.2", "10.0.0.1"]);
    }

    #[test]
    fn a_known_name_without_the_type_is_an_empty_answer() {
        assert!(texts(ask("web.", RecordType::AAAA, 0)).is_empty());
        assert!(texts(ask("web.", RecordType::MX, 0)).is_empty());
    }

    #[test]
    fn reverse_names_carry_the_network() {
        assert_eq!(texts(ask("1.0.0.10.in-addr.arpa.", RecordType::PTR, 0)), ["web.net."]);
        assert!(matches!(ask("9.0.0.10.in-addr.arpa.", RecordType::PTR, 0), Verdict::Outside { .. }));
    }

    #[test]
    fn strangers_and_nonsense() {
        assert!(matches!(ask("example.org.", RecordType::A, 0), Verdict::Outside { .. }));
        let (table, resolver) = table();
        assert!(matches!(look_up(&[1], &table, &resolver, 0), Verdict::Nothing));
        match look_up(&[1, 2, 3], &table, &resolver, 0) {
            Verdict::Answer(message) => {
                assert_eq!((message.metadata.id, message.metadata.response_code), (0x0102, ResponseCode::FormErr));
            }
            other => panic!("{other:?}"),
        }
    }
}
