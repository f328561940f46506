//! PCI addresses and error codes, as they are typed.

use dirql::{Address, Code};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(address) = text.parse::<Address>() {
        assert!(address.device() < 32 && address.function() < 8, "{address}");
        assert_eq!(address.to_string().parse::<Address>().ok(), Some(address), "{text:?}");
        let json = serde_json::to_string(&address).expect("an address is text");
        assert_eq!(serde_json::from_str::<Address>(&json).ok(), Some(address), "{json}");
    }
    if let Ok(code) = text.parse::<Code>() {
        assert_eq!(code.to_string().parse::<Code>().ok(), Some(code), "{text:?}");
    }
}
