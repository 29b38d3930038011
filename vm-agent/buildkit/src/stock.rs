//! What is kept for later builds beside images, and what of it a prune means. Pure.

use crate::progress::timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::UsageRecord;
use regex_lite::Regex;
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// Something that is kept, as people are told of it.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: String,
    /// BuildKit's word for what it is.
    pub kind: &'static str,
    pub description: &'static str,
    /// Bytes.
    pub size: u64,
    pub used: SystemTime,
    pub in_use: bool,
}

impl From<build::MountCache> for Item {
    fn from(cache: build::MountCache) -> Item {
        let build::MountCache { id, size, used, in_use } = cache;
        Item { id, kind: "exec.cachemount", description: "cached mount of a RUN", size, used, in_use }
    }
}

impl From<build::StepImage> for Item {
    fn from(step: build::StepImage) -> Item {
        let build::StepImage { id, size, used, in_use } = step;
        Item { id: id.to_string(), kind: "regular", description: "step of a build", size, used, in_use }
    }
}

impl From<Item> for UsageRecord {
    fn from(item: Item) -> UsageRecord {
        let used = Some(timestamp(item.used));
        UsageRecord {
            id: item.id,
            mutable: true,
            in_use: item.in_use,
            size: i64::try_from(item.size).unwrap_or(i64::MAX),
            created_at: used,
            last_used_at: used,
            usage_count: 1,
            description: item.description.to_owned(),
            record_type: item.kind.to_owned(),
            ..UsageRecord::default()
        }
    }
}

/// What is meant of all that is kept.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// One of these has to be met as a whole, if there are any.
    any: Vec<Vec<Test>>,
    unused_for: Duration,
    room: Room,
}

/// How much may stay of all that is kept, in bytes; 0 says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// So much stays, whatever the others say.
    pub reserved: u64,
    /// So much stays at most.
    pub max_used: u64,
    /// So much of the disk is to be free.
    pub min_free: u64,
}

impl Room {
    /// How much may stay of so many bytes, with so many free on the disk. Without a limit nothing stays.
    fn keeps(self, total: u64, free: u64) -> u64 {
        if self == Room::default() {
            return 0;
        }
        let most = if self.max_used == 0 && self.min_free != 0 { total } else { self.max_used };
        let excess = self.min_free.saturating_sub(free);
        let most = if excess == 0 { most } else { most.min(total.saturating_sub(excess)) };
        most.max(self.reserved)
    }
}

#[derive(Debug, Clone)]
enum Test {
    Is(String, String),
    IsNot(String, String),
    Matches(String, Regex),
    /// It is true of the thing.
    Has(String),
}

/// A filter that nobody understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidFilter(String);

impl std::fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid filter {:?}", self.0)
    }
}

impl std::error::Error for InvalidFilter {}

impl Which {
    /// Reads filters as BuildKit's clients write them: `type==source.local,id~=abc`. Empty ones mean everything.
    ///
    /// # Errors
    ///
    /// A filter that nobody understands.
    pub fn parse(filters: &[String]) -> Result<Which, InvalidFilter> {
        let filled = filters.iter().filter(|filter| !filter.is_empty());
        let any = filled.map(|filter| filter.split(',').map(Test::parse).collect()).collect::<Result<_, _>>()?;
        Ok(Which { any, ..Which::default() })
    }

    /// Only what has that value, or, without one, what it is true of. As dockerd has it, an ID may be a pattern.
    ///
    /// # Errors
    ///
    /// A field that nobody knows; a pattern that is none.
    pub fn with(mut self, field: &str, value: Option<&str>) -> Result<Which, InvalidFilter> {
        let text = match (field, value) {
            (field, None) => field.to_owned(),
            ("id", Some(value)) => format!("id~={value}"),
            (field, Some(value)) => format!("{field}=={value}"),
        };
        let test = Test::parse(&text)?;
        match self.any.first_mut() {
            Some(all) => all.push(test),
            None => self.any.push(vec![test]),
        }
        Ok(self)
    }

    /// Only what was not used for so long.
    #[must_use]
    pub fn unused_for(self, unused_for: Duration) -> Which {
        Which { unused_for, ..self }
    }

    /// What was used last stays, as far as there is room for it.
    #[must_use]
    pub fn within(self, room: Room) -> Which {
        Which { room, ..self }
    }

    pub(crate) fn means(&self, item: &Item) -> bool {
        // The clock may have been set back meanwhile.
        let age = item.used.elapsed().unwrap_or_default();
        let meets = |all: &Vec<Test>| all.iter().all(|test| test.meets(item));
        age >= self.unused_for && (self.any.is_empty() || self.any.iter().any(meets))
    }

    /// The IDs of what is to go, with so many bytes free on the disk.
    pub(crate) fn choose(&self, all: &[Item], free: u64) -> HashSet<String> {
        let mut left: u64 = all.iter().map(|item| item.size).sum();
        let keep = self.room.keeps(left, free);
        let mut chosen: Vec<&Item> = all.iter().filter(|item| !item.in_use && self.means(item)).collect();
        chosen.sort_by_key(|item| item.used);
        let goes = chosen.into_iter().take_while(|item| {
            let is_much = keep == 0 || left > keep;
            left = left.saturating_sub(item.size);
            is_much
        });
        goes.map(|item| item.id.clone()).collect()
    }
}

impl Test {
    fn parse(text: &str) -> Result<Test, InvalidFilter> {
        let invalid = || InvalidFilter(text.to_owned());
        let end = text.find(['=', '!', '~']).unwrap_or(text.len());
        let (field, rest) = text.split_at(end);
        if !["id", "parent", "type", "description", "inuse", "shared", "private", "mutable", "immutable"]
            .contains(&field)
        {
            return Err(invalid());
        }
        let operator = rest.get(..rest.len().min(2)).unwrap_or_default();
        let value = rest.strip_prefix(operator).unwrap_or_default();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).to_owned();
        let field = field.to_owned();
        match operator {
            "" => Ok(Test::Has(field)),
            "==" => Ok(Test::Is(field, value)),
            "!=" => Ok(Test::IsNot(field, value)),
            "~=" => Regex::new(&value).map(|pattern| Test::Matches(field, pattern)).map_err(|_| invalid()),
            _ => Err(invalid()),
        }
    }

    fn meets(&self, item: &Item) -> bool {
        match self {
            Test::Is(field, value) => item.field(field) == *value,
            Test::IsNot(field, value) => item.field(field) != *value,
            Test::Matches(field, pattern) => pattern.is_match(item.field(field)),
            Test::Has(field) => !["", "false"].contains(&item.field(field)),
        }
    }
}

impl Item {
    fn field(&self, name: &str) -> &str {
        let truth = |is: bool| if is { "true" } else { "false" };
        match name {
            "id" => &self.id,
            "type" => self.kind,
            "description" => self.description,
            "inuse" => truth(self.in_use),
            // Nothing here is of others, or beneath others.
            "private" | "mutable" => truth(true),
            "shared" | "immutable" => truth(false),
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, kind: &'static str, size: u64, hours: u64) -> Item {
        let used = SystemTime::now() - Duration::from_hours(hours);
        Item { id: id.to_owned(), kind, description: "", size, used, in_use: id == "used" }
    }

    fn chosen(which: &Which) -> String {
        let all = [
            item("abc", "source.local", 10, 3),
            item("abd", "exec.cachemount", 20, 1),
            item("used", "exec.cachemount", 30, 9),
            item("x", "exec.cachemount", 40, 0),
        ];
        let mut ids: Vec<String> = which.choose(&all, 50).into_iter().collect();
        ids.sort();
        ids.join(" ")
    }

    #[test]
    fn filters_choose() {
        for (filters, expect) in [
            (&[][..], "abc abd x"),
            (&[""], "abc abd x"),
            (&["type==exec.cachemount"], "abd x"),
            (&["type!=exec.cachemount"], "abc"),
            (&["id~=^ab,type==exec.cachemount"], "abd"),
            (&["id==\"x\"", "id==abc"], "abc x"),
            (&["inuse"], ""),
            (&["private"], "abc abd x"),
            (&["shared"], ""),
            (&["parent==y"], ""),
        ] {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            assert_eq!(chosen(&Which::parse(&filters).expect("understood")), expect, "{filters:?}");
        }
        let which = Which::default().with("id", Some("b")).expect("a pattern").with("type", Some("source.local"));
        assert_eq!(chosen(&which.expect("known")), "abc");
        for filter in ["new", "id~=(", "id=x", "type=~x", "=x"] {
            assert_eq!(Which::parse(&[filter.to_owned()]).err(), Some(InvalidFilter(filter.to_owned())));
        }
    }

    #[test]
    fn age_and_space_spare() {
        assert_eq!(chosen(&Which::default().unused_for(Duration::from_hours(2))), "abc");
        // 100 bytes are there, and 50 are free.
        for (max_used, expect) in [(100, ""), (95, "abc"), (90, "abc"), (89, "abc abd"), (1, "abc abd x")] {
            let room = Room { max_used, ..Room::default() };
            assert_eq!(chosen(&Which::default().within(room)), expect, "{max_used}");
        }
        for (min_free, expect) in [(50, ""), (51, "abc"), (60, "abc"), (61, "abc abd"), (900, "abc abd x")] {
            let room = Room { min_free, ..Room::default() };
            assert_eq!(chosen(&Which::default().within(room)), expect, "{min_free}");
        }
        let room = Room { reserved: 95, max_used: 1, min_free: 900 };
        assert_eq!(chosen(&Which::default().within(room)), "abc");
    }
}
