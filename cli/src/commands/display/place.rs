//! Which connector, and which mode.

use dirql::class::display::{Connector, Mode};
use dirql::{Error, ErrorKind, Result};

use crate::args::{Place, Size};

impl Place {
    /// The connector that is asked for; else the first with a monitor.
    ///
    /// # Errors
    /// `NotFound` for one that there is not; `Precondition` where there is no monitor.
    pub fn connector<'a>(&self, connectors: &'a [Connector]) -> Result<&'a Connector> {
        let Some(wanted) = self.connector else {
            return connectors.iter().find(|connector| connector.connected).ok_or_else(|| {
                let why = match connectors {
                    [] => "it has no connectors".into(),
                    [only] => format!("there is no monitor at its connector {}", only.number),
                    all => format!("there is no monitor at any of its {} connectors", all.len()),
                };
                let error = Error::new(ErrorKind::Precondition, "choice of a connector").why(why);
                if connectors.is_empty() {
                    error
                } else {
                    error.fix("name both: --connector 0 --mode 1024x768")
                }
            });
        };
        connectors.iter().find(|connector| connector.number == wanted).ok_or_else(|| {
            let numbers: Vec<_> = connectors.iter().map(|connector| connector.number.to_string()).collect();
            let why = format!("it has no connector {wanted}, but {}", numbers.join(", "));
            Error::new(ErrorKind::NotFound, "choice of a connector").why(why)
        })
    }

    /// The mode of the size that is asked for; else the preferred one. A size that the monitor does not name may work as
    /// well.
    ///
    /// # Errors
    /// `Precondition` where neither says anything.
    pub fn mode(&self, connector: &Connector) -> Result<Mode> {
        if let Some(Size { width, height }) = self.mode {
            let known = connector.modes.iter().find(|mode| (mode.width, mode.height) == (width, height));
            return Ok(known.copied().unwrap_or(Mode { width, height, refresh: 0 }));
        }
        connector.preferred().copied().ok_or_else(|| {
            let what = if connector.connected { "the monitor says no modes" } else { "there is no monitor" };
            Error::new(ErrorKind::Precondition, "choice of a mode")
                .why(format!("{what} at connector {}", connector.number))
                .fix("name one: --mode 1024x768")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(number: u32, sizes: &[(u32, u32)]) -> Connector {
        let mode = |&(width, height)| Mode { width, height, refresh: 60_000 };
        Connector {
            number,
            connected: !sizes.is_empty(),
            modes: sizes.iter().map(mode).collect(),
            edid: None,
        }
    }

    #[test]
    fn the_first_monitor_and_its_preferred_mode_are_chosen() {
        let connectors = [connector(0, &[]), connector(1, &[(1024, 768), (800, 600)])];
        let place = Place::default();
        let chosen = place.connector(&connectors).unwrap();
        assert_eq!((chosen.number, place.mode(chosen).unwrap().width), (1, 1024));
        let size = |width, height| Place { connector: Some(0), mode: Some(Size { width, height }) };
        assert_eq!(size(800, 600).mode(chosen).unwrap().refresh, 60_000);
        assert_eq!(size(801, 600).mode(chosen).unwrap(), Mode { width: 801, height: 600, refresh: 0 });
        assert_eq!(size(800, 600).connector(&connectors).unwrap().number, 0);
    }

    #[test]
    fn says_what_is_not_there() {
        let connectors = [connector(0, &[]), connector(1, &[])];
        let error = Place::default().connector(&connectors).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Precondition);
        assert!(error.to_string().contains("any of its 2 connectors"), "{error}");
        let place = Place { connector: Some(7), mode: None };
        let error = place.connector(&connectors).unwrap_err();
        assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("but 0, 1"), "{error}");
        let error = place.mode(&connectors[1]).unwrap_err();
        assert!(error.to_string().contains("--mode"), "{error}");
    }
}
