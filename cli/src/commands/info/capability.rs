//! A decoded capability, as JSON and as text.

use dirql::pci::{ConfigSpace, Decoded, Field, FieldValue, Part};
use serde_json::{Map, Value, json};

use super::page::Page;
use super::{bytes, hex};

/// How much of what is not understood is shown.
const SHOWN: usize = 32;

/// What is to be said of a capability besides its number.
pub struct Shown<'a> {
    /// Where it stands.
    pub offset: u16,
    /// What it says.
    pub decoded: Decoded,
    /// Its first bytes, where nothing of it is understood.
    pub bytes: Option<&'a [u8]>,
}

impl<'a> Shown<'a> {
    /// A capability; `len` bytes lie before whatever comes next.
    pub fn new(config: &'a ConfigSpace, offset: u16, decoded: Decoded, len: usize) -> Self {
        let bytes = decoded.parts.is_empty().then(|| config.bytes_at(offset, len.min(SHOWN)));
        Self { offset, decoded, bytes }
    }

    /// The keys that it adds to the capability's object.
    pub fn document(&self, object: &mut Map<String, Value>) {
        let mut decoded = Map::new();
        for part in &self.decoded.parts {
            let fields = part.fields.iter().map(|field| (field.name.to_string(), value(field)));
            if part.name.is_empty() {
                decoded.extend(fields);
            } else {
                decoded.insert(part.name.clone(), Value::Object(fields.collect()));
            }
        }
        object.insert("decoded".into(), Value::Object(decoded));
        object.insert("truncated".into(), json!(self.decoded.is_truncated));
        object.insert("bytes".into(), json!(self.bytes.map(dump)));
    }

    /// Its lines below the one with its name.
    pub fn text(&self, page: &mut Page<'_>) {
        for part in &self.decoded.parts {
            let said = said(part);
            if !said.is_empty() {
                page.sentence(8, &said);
            }
        }
        if let Some(bytes) = self.bytes {
            page.sentence(8, &dump(bytes));
        }
        if self.decoded.is_truncated {
            page.sentence(8, "the rest lies beyond what could be read");
        }
    }
}

fn dump(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn value(field: &Field) -> Value {
    match &field.value {
        FieldValue::Flag(on) => json!(on),
        FieldValue::Number(number) | FieldValue::Bytes(number) => json!(number),
        FieldValue::Hex(number) => json!(hex(*number)),
        FieldValue::Text(text) => json!(text),
        FieldValue::Set(names) => json!(names),
    }
}

/// A part in a line: its name, and what there is to be said.
fn said(part: &Part) -> String {
    let fields: Vec<String> = part.fields.iter().filter_map(words).collect();
    match (part.name.as_str(), fields.is_empty()) {
        (_, true) => String::new(),
        ("", false) => fields.join("; "),
        (name, false) => format!("{}: {}", name.replace('_', " "), fields.join("; ")),
    }
}

/// What is not there goes without saying, but for what is switched off as a whole.
fn words(field: &Field) -> Option<String> {
    let name = field.name.replace('_', " ");
    Some(match &field.value {
        FieldValue::Flag(true) => name,
        FieldValue::Flag(false) if field.name == "enabled" => "disabled".into(),
        FieldValue::Flag(false) => return None,
        FieldValue::Set(names) if names.is_empty() => return None,
        FieldValue::Set(names) => format!("{name} {}", names.join(", ")),
        FieldValue::Number(number) => format!("{name} {number}"),
        FieldValue::Bytes(size) => format!("{name} {}", bytes(*size)),
        FieldValue::Hex(number) => format!("{name} {}", hex(*number)),
        FieldValue::Text(text) if text.is_empty() => return None,
        FieldValue::Text(text) => format!("{name} {text}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(patch: &[u8]) -> (Value, String) {
        let mut config = vec![0_u8; 256];
        (config[6], config[0x34]) = (0x10, 0x40);
        config[0x40..0x40 + patch.len()].copy_from_slice(patch);
        let config = ConfigSpace::new(config).unwrap();
        let capability = config.capabilities().next().unwrap();
        let shown = Shown::new(&config, 0x40, config.decode(capability), 16);
        let (mut object, mut page) = (Map::new(), Page::new(&str::to_string));
        shown.document(&mut object);
        shown.text(&mut page);
        (Value::Object(object), page.text())
    }

    #[test]
    fn what_is_known_has_keys_and_words() {
        let (document, text) = shown(&[0x11, 0, 0x04, 0x40, 0x03, 0, 0, 0, 0x03, 0x20, 0, 0]);
        assert_eq!(document["decoded"]["vectors"], 5);
        assert_eq!(document["decoded"]["enabled"], false);
        assert_eq!(document["decoded"]["pending_offset"], "0x2000");
        assert!(document["bytes"].is_null() && document["truncated"] == false);
        let wanted =
            "        disabled; masked; vectors 5; table bar 3; table offset 0x0; pending bar\n        3;";
        assert!(text.starts_with(wanted), "{text}");
    }

    #[test]
    fn what_is_unknown_is_hexadecimal() {
        let (document, text) = shown(&[0x77, 0, 0xab, 0xcd]);
        assert_eq!(document["decoded"], json!({}));
        assert!(document["bytes"].as_str().unwrap().starts_with("77 00 ab cd 00"));
        assert!(text.starts_with("        77 00 ab cd 00"), "{text}");
    }
}
