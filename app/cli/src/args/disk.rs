//! `berth disk`.

use clap::{Args, Subcommand};

use super::Json;

/// Without a verb: how large the disk is.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DiskArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<DiskVerb>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DiskVerb {
    /// Make the data disk larger; a machine that runs goes on
    Grow {
        /// The new size, such as 100G or 1T
        #[arg(value_parser = gib)]
        size: u64,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Give this computer back what is free on the data disk
    Compact(Json),
}

impl DiskArgs {
    pub(super) fn wants_json(&self) -> bool {
        match &self.verb {
            Some(DiskVerb::Grow { json, .. }) => *json,
            Some(DiskVerb::Compact(json)) => json.json,
            None => self.json.json,
        }
    }
}

/// `100`, `100G`, `100GiB`: GiB; `1T`: 1024 of them. Disks are not made in smaller pieces.
pub(super) fn gib(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is no size of a disk: write it as 100G or 1T");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| expected())?;
    let unit = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "g" | "gb" | "gib" => 1,
        "t" | "tb" | "tib" => 1024,
        _ => return Err(expected()),
    };
    number.checked_mul(unit).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::gib;

    #[test]
    fn sizes_are_in_gib() {
        for (text, size) in [("100", 100), ("100G", 100), ("64gib", 64), ("2T", 2048)] {
            assert_eq!(gib(text), Ok(size), "{text}");
        }
        for text in ["", "G", "1.5G", "10M", "-1", "99999999999999999999", "18446744073709551615T"] {
            assert!(gib(text).unwrap_err().contains("100G"), "{text}");
        }
    }
}
