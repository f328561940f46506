//! The link of a PCI Express function: what it runs at, and what it could.

use std::path::Path;

use super::{Function, files};

/// A link, as sysfs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The speed that it runs at: `8.0 GT/s`.
    pub speed: String,
    /// How many lanes are in use.
    pub width: u32,
    /// The speed that the function can do.
    pub max_speed: String,
    /// How many lanes the function has.
    pub max_width: u32,
}

impl Link {
    /// Whether it runs below what the function can do.
    pub fn is_downgraded(&self) -> bool {
        self.is_beyond(self.width, &self.speed)
    }

    /// Whether it could do more than this.
    fn is_beyond(&self, width: u32, speed: &str) -> bool {
        width < self.max_width || tenths(speed) < tenths(&self.max_speed)
    }

    /// Why it is below what it can do, as far as the port above it tells; `None` where it is not.
    pub fn why_downgraded(&self, port: Option<&Self>) -> Option<String> {
        if !self.is_downgraded() {
            return None;
        }
        let port = port.filter(|port| self.is_beyond(port.max_width, &port.max_speed));
        Some(match port {
            Some(port) => format!("the port above it offers {} x{}", port.max_speed, port.max_width),
            None if self.width < self.max_width => "lanes are missing: see how the card sits".into(),
            None => "power management may lower the speed while the device rests".into(),
        })
    }
}

/// `2.5 GT/s` as a number that can be compared.
fn tenths(speed: &str) -> Option<u64> {
    let number: f64 = speed.split_whitespace().next()?.parse().ok()?;
    Some((number * 10.0) as u64)
}

impl Function {
    /// Its link; `None` for what has none: conventional PCI, and what is in the root complex.
    pub fn link(&self) -> Option<Link> {
        let speed = |name: &str| {
            let text = files::text(self.path().join(name))?;
            tenths(&text)?;
            Some(text.trim_end_matches(" PCIe").to_string())
        };
        // 0 and 255 are what the kernel prints of a link that is not there.
        let width =
            |path: &Path| files::number(path).filter(|width| !matches!(width, 0 | 255)).map(|w| w as u32);
        Some(Link {
            speed: speed("current_link_speed")?,
            width: width(&self.path().join("current_link_width"))?,
            max_speed: speed("max_link_speed")?,
            max_width: width(&self.path().join("max_link_width"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;

    #[test]
    fn says_why_it_is_slower() {
        let machine = Machine::new();
        let link = |address: &str, now: (&str, u32), most: (&str, u32)| {
            machine.function(address, 0x8086, 0x10d3, None, None);
            let path = format!("sys/devices/pci0000:00/{address}");
            machine.file(&format!("{path}/current_link_speed"), &format!("{} PCIe\n", now.0));
            machine.file(&format!("{path}/current_link_width"), &format!("{}\n", now.1));
            machine.file(&format!("{path}/max_link_speed"), &format!("{} PCIe\n", most.0));
            machine.file(&format!("{path}/max_link_width"), &format!("{}\n", most.1));
            machine.host().function(address.parse().unwrap()).unwrap().link()
        };
        let port = link("0000:00:01.0", ("8.0 GT/s", 4), ("8.0 GT/s", 4));
        let card = link("0000:00:02.0", ("8.0 GT/s", 4), ("16.0 GT/s", 8)).unwrap();
        assert_eq!(card.why_downgraded(port.as_ref()).unwrap(), "the port above it offers 8.0 GT/s x4");
        assert!(card.why_downgraded(None).unwrap().contains("lanes"));
        let resting = link("0000:00:03.0", ("2.5 GT/s", 4), ("8.0 GT/s", 4)).unwrap();
        assert!(resting.why_downgraded(port.as_ref()).unwrap().contains("rests"));
        assert_eq!(port.clone().unwrap().why_downgraded(None), None);
        assert_eq!(link("0000:00:04.0", ("Unknown", 0), ("Unknown", 255)), None);
        // As text, "16.0" is less than "8.0".
        let fast = link("0000:00:05.0", ("16.0 GT/s", 1), ("8.0 GT/s", 1)).unwrap();
        assert!(!fast.is_downgraded());
    }
}
