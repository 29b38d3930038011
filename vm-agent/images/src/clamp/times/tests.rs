//! Archives of all that layers have.

use super::*;

const LIMIT: i64 = 1_000_000_000;

fn archive(times: &[(&str, u64, Option<&str>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, time, pax) in times {
        if let Some(pax) = pax {
            builder.append_pax_extensions([("mtime", pax.as_bytes()), ("comment", b"x".as_slice())]).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mtime(*time);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, b"abc".as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn clamped(tar: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    clamp(tar, &mut out, LIMIT).unwrap();
    out
}

#[test]
fn later_times_are_the_limit() {
    let long = "n".repeat(150);
    let tar = archive(&[
        ("early", 5, None),
        ("late", 2_000_000_000, None),
        (&long, 2_000_000_000, None),
        ("exact", 7, Some("1000000000.5")),
        ("older", 7, Some("999999999.5")),
    ]);
    let out = clamped(&tar);
    let mut told = Vec::new();
    for entry in tar::Archive::new(&out[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let pax = entry.pax_extensions().unwrap().and_then(|mut all| {
            all.find_map(|one| {
                one.ok().filter(|one| one.key() == Ok("mtime")).map(|one| one.value().unwrap().to_owned())
            })
        });
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert_eq!(content, "abc");
        told.push((entry.path().unwrap().display().to_string(), entry.header().mtime().unwrap(), pax));
    }
    let of = |name: &str, time: u64, pax: Option<&str>| (name.to_owned(), time, pax.map(str::to_owned));
    assert_eq!(
        told,
        [
            of("early", 5, None),
            of("late", 1_000_000_000, None),
            of(&long, 1_000_000_000, None),
            of("exact", 7, Some("1000000000")),
            of("older", 7, Some("999999999.5")),
        ]
    );
    assert_eq!(clamped(&out), out, "once is enough");
}

#[test]
fn what_has_no_later_time_stays_to_the_byte() {
    let tar = archive(&[("a", 1, None), ("b", 999_999_999, Some("17.25"))]);
    assert_eq!(clamped(&tar), tar);
    assert_eq!(clamped(&[0; 1024]), [0; 1024]);
}

#[test]
fn a_record_has_its_own_length() {
    for (key, value, expect) in [("mtime", "1", "11 mtime=1\n"), ("mtime", "1000000000", "20 mtime=1000000000\n")] {
        assert_eq!(record_of(key, value), expect);
    }
    // The length of the length counts, too.
    assert_eq!(record_of("k", "12345"), "11 k=12345\n");
    assert_eq!(record_of("k", "1234"), "9 k=1234\n");
}

#[test]
fn harm_comes_to_an_end() {
    let tar = archive(&[("late", 2_000_000_000, Some("2000000000.5")), ("other", 1, None)]);
    for at in 0..tar.len() {
        for byte in [0, b' ', b'7', 0xff] {
            let mut harmed = tar.clone();
            harmed[at] = byte;
            // Much of it is still an archive.
            let _ = clamp(&harmed[..], &mut io::sink(), LIMIT);
        }
    }
    for length in (0..tar.len() - 1024).filter(|length| length % BLOCK != 0) {
        assert!(clamp(&tar[..length], &mut io::sink(), LIMIT).is_err(), "{length}");
    }
    assert_eq!(clamped(&tar[..tar.len() - 1024]).len(), tar.len() - 1024, "it need not say that it ends");
}

/// What an entry is but for its times, and its times.
fn entries(tar: &[u8]) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (mut told, mut times) = (String::new(), vec![entry.header().mtime().unwrap().to_string()]);
        let header = entry.header();
        let link = entry.link_name_bytes().map(|link| link.into_owned());
        told += &format!("{:?} {:?} {link:?} {:o} ", entry.path_bytes(), header.entry_type(), header.mode().unwrap());
        told += &format!("{:?} {:?} ", header.uid().unwrap(), header.device_major().ok());
        if let Some(gnu) = header.as_gnu() {
            times.extend([&gnu.atime, &gnu.ctime].map(|field| octal(field).unwrap_or_default().to_string()));
        }
        for record in entry.pax_extensions().unwrap().into_iter().flatten() {
            let record = record.unwrap();
            match TIMES.contains(&record.key_bytes()) {
                true => times.push(record.value().unwrap().to_owned()),
                false => told += &format!("{:?}={:?} ", record.key_bytes(), record.value_bytes()),
            }
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        all.push((format!("{told}{content:?}"), times));
    }
    all
}

#[test]
fn nothing_but_times_changes() {
    let mut builder = tar::Builder::new(Vec::new());
    let late = |kind: tar::EntryType, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o4755);
        header.set_uid(7);
        header.set_mtime(2_000_000_000);
        header
    };
    builder.append_data(&mut late(tar::EntryType::Directory, 0), "d/", io::empty()).unwrap();
    let records: [(&str, &[u8]); 6] = [
        ("SCHILY.xattr.user.x", b"a b=c\xff mtime=9"),
        ("mtime", b"2000000000.25"),
        ("atime", b"2000000001"),
        ("ctime", b"-5.5"),
        ("size", b"600"),
        ("uid", b"3000000"),
    ];
    builder.append_pax_extensions(records).unwrap();
    // The record's size counts, and the header has none.
    let mut header = late(tar::EntryType::Regular, 0);
    header.set_path("d/f").unwrap();
    header.set_cksum();
    builder.append(&header, io::empty()).unwrap();
    builder.get_mut().extend([b'f'; 600]);
    builder.get_mut().extend([0; 424]);
    builder.append_link(&mut late(tar::EntryType::Link, 0), "d/hard", "d/f").unwrap();
    builder.append_link(&mut late(tar::EntryType::Symlink, 0), "d/soft", "n".repeat(150)).unwrap();
    for whiteout in ["d/.wh.gone", "d/.wh..wh..opq"] {
        builder.append_data(&mut late(tar::EntryType::Regular, 0), whiteout, io::empty()).unwrap();
    }
    let mut device = late(tar::EntryType::Char, 0);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    builder.append_data(&mut device, "d/null", io::empty()).unwrap();
    let mut dated = late(tar::EntryType::Regular, 3);
    let gnu = dated.as_gnu_mut().unwrap();
    gnu.set_atime(2_000_000_001);
    gnu.set_ctime(3);
    builder.append_data(&mut dated, "d/dated", b"abc".as_slice()).unwrap();
    let tar = builder.into_inner().unwrap();

    let (before, after) = (entries(&tar), entries(&clamped(&tar)));
    assert_eq!(after.len(), 8);
    for ((before, _), (after, times)) in before.iter().zip(&after) {
        assert_eq!(before, after);
        assert!(times.iter().all(|time| time.parse::<f64>().unwrap() <= 1e9), "{after}: {times:?}");
    }
    assert_eq!(after[1].1, ["1000000000", "0", "0", "1000000000", "1000000000", "-5.5"]);
    assert_eq!(after[7].1, ["1000000000", "1000000000", "3"]);
    assert_eq!(clamped(&clamped(&tar)), clamped(&tar));
}

/// A value may have anything in it, also what looks like other records.
#[test]
fn a_value_is_no_record() {
    let value = b"a\n20 mtime=2000000000\n\xff=";
    let rest = [b" SCHILY.xattr.user.x=", value.as_slice(), b"\n"].concat();
    let record = [(rest.len() + 2).to_string().as_bytes(), &rest].concat();
    let records = |time: &str| [&*record, record_of("mtime", time).as_bytes(), &record].concat();
    assert_eq!(clamp_records(&records("2000000000"), LIMIT).unwrap(), (records("1000000000"), None));
}

#[test]
fn records_for_all_that_follows_are_clamped_and_name_no_size() {
    let records = [record_of("mtime", "2000000000"), record_of("size", "9")].concat();
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XGlobalHeader);
    header.set_path("pax_global_header").unwrap();
    header.set_size(records.len() as u64);
    header.set_mtime(2_000_000_000);
    header.set_cksum();
    let mut tar = [header.as_bytes().as_slice(), records.as_bytes()].concat();
    tar.resize(1024, 0);
    tar.extend(archive(&[("f", 2_000_000_000, None)]));
    let out = clamped(&tar);
    assert_eq!(out.len(), tar.len());
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains("20 mtime=1000000000\n") && text.contains("abc"), "{text}");
    assert_eq!(tar::Header::from_byte_slice(&out[..512]).mtime().unwrap(), 1_000_000_000);
}

#[test]
fn a_map_that_goes_on_is_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_path("s").unwrap();
    header.set_size(0);
    header.as_gnu_mut().unwrap().isextended = [1];
    header.set_cksum();
    let told = clamp([header.as_bytes().as_slice(), &[0; 1536]].concat().as_slice(), &mut io::sink(), LIMIT);
    assert!(told.unwrap_err().to_string().starts_with("a sparse file of GNU's old form"));
    header.as_gnu_mut().unwrap().isextended = [0];
    header.set_cksum();
    let tar = [header.as_bytes().as_slice(), &[0; 1024]].concat();
    assert_eq!(clamped(&tar).len(), tar.len());
}
