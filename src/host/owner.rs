//! To whom a node is given: `USER[:GROUP]`.

use std::fmt;

use nix::unistd::{Group, User};

use crate::{Error, ErrorKind, Result};

/// A user, a group, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user's number; `None` leaves the user.
    pub uid: Option<u32>,
    /// The group's number; `None` leaves the group.
    pub gid: Option<u32>,
    text: String,
}

impl Owner {
    /// The mode of a node that this owner gets: the group may use it where one is named.
    pub fn mode(&self) -> u32 {
        if self.gid.is_some() { 0o660 } else { 0o600 }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Owner {
    type Err = Error;

    /// Reads `USER`, `USER:GROUP` or `:GROUP`, each by name or number.
    fn from_str(text: &str) -> Result<Self> {
        let bad = |kind, why: String| Error::new(kind, format!("look-up of the owner {text:?}")).why(why);
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if user.is_empty() && group.is_none_or(str::is_empty) {
            return Err(bad(ErrorKind::InvalidArgument, "an owner is USER, USER:GROUP or :GROUP".into()));
        }
        let uid = Some(user).filter(|user| !user.is_empty()).map(|user| match user.parse() {
            Ok(number) => Ok(number),
            Err(_) => match User::from_name(user) {
                Ok(Some(user)) => Ok(user.uid.as_raw()),
                _ => Err(bad(ErrorKind::NotFound, format!("there is no user {user:?}"))
                    .fix("--owner $USER, who you are; getent passwd lists who else there is")),
            },
        });
        let gid = group.filter(|group| !group.is_empty()).map(|group| match group.parse() {
            Ok(number) => Ok(number),
            Err(_) => match Group::from_name(group) {
                Ok(Some(group)) => Ok(group.gid.as_raw()),
                _ => Err(bad(ErrorKind::NotFound, format!("there is no group {group:?}"))
                    .fix("id lists your groups; getent group lists all")),
            },
        });
        Ok(Self { uid: uid.transpose()?, gid: gid.transpose()?, text: text.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_numbers() {
        let owner: Owner = "root".parse().unwrap();
        assert_eq!((owner.uid, owner.gid, owner.mode()), (Some(0), None, 0o600));
        let owner: Owner = "1234:root".parse().unwrap();
        assert_eq!((owner.uid, owner.gid, owner.mode()), (Some(1234), Some(0), 0o660));
        let owner: Owner = ":7".parse().unwrap();
        assert_eq!((owner.uid, owner.gid), (None, Some(7)));
        assert_eq!(owner.to_string(), ":7");
    }

    #[test]
    fn refuses_what_is_nobody() {
        for (text, kind) in [
            ("", ErrorKind::InvalidArgument),
            (":", ErrorKind::InvalidArgument),
            ("no-such-user-here", ErrorKind::NotFound),
            ("root:no-such-group-here", ErrorKind::NotFound),
        ] {
            assert_eq!(text.parse::<Owner>().unwrap_err().kind(), kind, "{text}");
        }
    }
}
