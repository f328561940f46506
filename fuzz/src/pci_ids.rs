//! The list of PCI names.

use dirql::pci::{ClassCode, Names};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let names = Names::parse(&text);
    for line in text.lines() {
        let id = |text: Option<&str>| u16::from_str_radix(text?, 16).ok();
        if let Some(vendor) = id(line.get(..4)) {
            assert!(!names.describe(vendor, 0).is_empty());
            assert!(names.vendor(vendor).is_none_or(|name| !name.trim().is_empty()), "{line:?}");
        }
        if let Some(class) = id(line.get(2..4)) {
            let class = ClassCode { base: class as u8, sub: 0, interface: 0 };
            assert!(names.class(class).is_none_or(|name| !name.trim().is_empty()), "{line:?}");
        }
    }
    // What is said again changes nothing.
    let twice = Names::parse(&format!("{text}\n{text}"));
    for line in text.lines().filter_map(|line| u16::from_str_radix(line.get(..4)?, 16).ok()) {
        assert_eq!(names.vendor(line), twice.vendor(line));
    }
}
