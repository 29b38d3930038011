//! `--user` and `--group-add` against the container's own `/etc/passwd` and `/etc/group`. Pure.
//!
//! The rules are those of runc's `user.GetExecUser`: numbers need no entry, names do; without a group in the
//! specification the user's entry gives the group, and the group file the additional ones.

/// Who the process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Additional groups, the main one first, as dockerd has them.
    pub(crate) groups: Vec<u32>,
    /// For `HOME`.
    pub(crate) home: String,
}

/// No such user or group in the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownUser {
    #[error("unable to find user {0}: no matching entries in passwd file")]
    User(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    Group(String),
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
}

impl UnknownUser {
    /// As dockerd says it where files are to be the user's of this specification: a number that is none is looked for as a name.
    pub(crate) fn of_an_owner(&self, specification: &str) -> String {
        let (user, group) = specification.split_once(':').unwrap_or((specification, ""));
        let (kind, name, file) = match self {
            UnknownUser::Range if number(user).is_ok() => ("group", group, "group"),
            UnknownUser::Group(_) => ("group", group, "group"),
            UnknownUser::User(_) | UnknownUser::Range => ("user", user, "passwd"),
        };
        format!("failed to look up {kind} {name:?} in container: no matching entries in {file} file")
    }
}

struct Passwd<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Resolves `specification` (`user`, `user:group`, `uid:gid`, `:group` or empty) and `added` groups.
pub(crate) fn resolve(specification: &str, added: &[String], passwd: &str, group: &str) -> Result<User, UnknownUser> {
    let (user_text, group_text) = specification.split_once(':').unwrap_or((specification, ""));
    let user_number = number(user_text)?;
    let entry = users(passwd).find(|entry| match user_number {
        _ if user_text.is_empty() => entry.uid == 0,
        Some(uid) => entry.uid == uid,
        None => entry.name == user_text,
    });
    let (uid, mut gid, home, name) = match (&entry, user_number) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.home.to_owned(), Some(entry.name)),
        (None, Some(uid)) => (uid, 0, "/".to_owned(), None),
        (None, None) if user_text.is_empty() => (0, 0, "/".to_owned(), None),
        (None, None) => return Err(UnknownUser::User(user_text.to_owned())),
    };
    let mut additional = Vec::new();
    if group_text.is_empty() {
        if let Some(name) = name {
            additional.extend(
                groups(group).filter(|entry| entry.members.split(',').any(|member| member == name)).map(|e| e.gid),
            );
        }
    } else {
        gid = find_group(group_text, group)?;
    }
    for wanted in added {
        additional.push(find_group(wanted, group)?);
    }
    let mut all = vec![gid];
    for extra in additional {
        if !all.contains(&extra) {
            all.push(extra);
        }
    }
    let home = if home.is_empty() { "/".to_owned() } else { home };
    Ok(User { uid, gid, groups: all, home })
}

fn find_group(text: &str, file: &str) -> Result<u32, UnknownUser> {
    let wanted = number(text)?;
    if let Some(entry) = groups(file).find(|entry| entry.name == text || wanted == Some(entry.gid)) {
        return Ok(entry.gid);
    }
    wanted.ok_or_else(|| UnknownUser::Group(text.to_owned()))
}

/// `None` when it is a name.
fn number(text: &str) -> Result<Option<u32>, UnknownUser> {
    let Ok(number) = text.parse::<i64>() else { return Ok(None) };
    u32::try_from(number).ok().filter(|id| *id <= i32::MAX as u32).map(Some).ok_or(UnknownUser::Range)
}

/// passwd(5): `name:password:UID:GID:GECOS:directory:shell`.
fn users(file: &str) -> impl Iterator<Item = Passwd<'_>> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Passwd { name, uid, gid, home: fields.nth(1).unwrap_or("") })
    })
}

/// group(5): `name:password:GID:members`.
fn groups(file: &str) -> impl Iterator<Item = Group<'_>> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Group { name, gid, members: fields.next().unwrap_or("").trim() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/var/www:/bin/false\n# junk\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\naudio:x:29:web,other\nvideo:x:44:other\n";

    fn check(specification: &str, added: &[&str], expected: (u32, u32, &[u32], &str)) {
        let added: Vec<String> = added.iter().map(|group| (*group).to_owned()).collect();
        let user = resolve(specification, &added, PASSWD, GROUP).expect(specification);
        assert_eq!((user.uid, user.gid, user.groups.as_slice(), user.home.as_str()), expected, "{specification}");
    }

    #[test]
    fn users_and_groups() {
        check("", &[], (0, 0, &[0], "/root"));
        check("root", &[], (0, 0, &[0], "/root"));
        check("web", &[], (33, 34, &[34, 29], "/var/www"));
        check("33", &[], (33, 34, &[34, 29], "/var/www"));
        check("web:video", &[], (33, 44, &[44], "/var/www"));
        check("1000", &[], (1000, 0, &[0], "/"));
        check("1000:1001", &[], (1000, 1001, &[1001], "/"));
        check("web", &["video", "77"], (33, 34, &[34, 29, 44, 77], "/var/www"));
        let bare = resolve("", &[], "", "").expect("no files at all");
        assert_eq!((bare.uid, bare.gid, bare.home.as_str()), (0, 0, "/"));
    }

    #[test]
    fn strangers() {
        let error =
            |specification: &str| resolve(specification, &[], PASSWD, GROUP).expect_err(specification).to_string();
        assert_eq!(error("nobody"), "unable to find user nobody: no matching entries in passwd file");
        assert_eq!(error("web:none"), "unable to find group none: no matching entries in group file");
        assert_eq!(error("4294967295"), "uids and gids must be in range 0-2147483647");
    }
}
