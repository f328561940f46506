//! `USER:GROUP`, as it is typed.

use dirql::host::Owner;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(owner) = text.parse::<Owner>() {
        assert!(owner.uid.is_some() || owner.gid.is_some(), "{text:?}");
        assert_eq!(owner.to_string(), text);
        assert_eq!(owner.mode(), if owner.gid.is_some() { 0o660 } else { 0o600 });
    }
}
