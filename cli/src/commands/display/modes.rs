//! `dirql display BDF modes`: connectors, monitors, modes.

use std::fmt::Write as _;

use dirql::class::display::{Connector, Edid, Mode};
use serde_json::{Value, json};

use super::start::{Start, on};
use crate::output::{Outcome, Output};
use crate::table::Table;

/// Lists what can be shown where.
pub fn modes(start: &Start<'_>, output: &mut Output) -> Outcome {
    let mut running = start.start()?;
    let (address, driver) = (running.address, running.driver_name);
    let connectors = on(address, running.display().and_then(|display| display.connectors()));
    let connectors = running.finish(connectors.map_err(Into::into))?;
    if output.is_json() {
        let connectors: Vec<_> = connectors.iter().map(document).collect();
        return output.document(&json!({ "address": address, "driver": driver, "connectors": connectors }));
    }
    output.text(&connectors.iter().map(text).collect::<Vec<_>>().join("\n"))
}

/// A connector in a line.
pub fn line(connector: &Connector) -> String {
    let what = match &connector.edid {
        Some(edid) => monitor(edid),
        None if connector.connected => "a monitor that does not describe itself".into(),
        None => "no monitor".into(),
    };
    let preferred = connector.preferred().map_or_else(String::new, |mode| format!(", prefers {mode}"));
    format!("connector {}: {what}{preferred}", connector.number)
}

/// `QEMU Monitor (RHT 1234), 260 x 195 mm`.
fn monitor(edid: &Edid) -> String {
    let maker = format!("{} {:04x}", edid.manufacturer, edid.product);
    let mut text = match &edid.name {
        Some(name) => format!("{name} ({maker})"),
        None => maker,
    };
    if let (width @ 1.., height @ 1..) = edid.size {
        // Into a string: it does not fail.
        let _ = write!(text, ", {width} x {height} mm");
    }
    text
}

fn text(connector: &Connector) -> String {
    let mut table = Table::new(&["  MODE", "REFRESH", ""]).numbers_from(1);
    for (index, mode) in connector.modes.iter().enumerate() {
        let size = format!("  {}x{}", mode.width, mode.height);
        let preferred = if index == 0 { "preferred" } else { "" };
        table.row([size, refresh(mode), preferred.into()]);
    }
    let modes = if connector.modes.is_empty() { String::new() } else { table.render(None) };
    format!("{}\n{modes}", line(connector))
}

fn refresh(mode: &Mode) -> String {
    match mode.refresh {
        0 => "-".into(),
        refresh => format!("{:.2} Hz", f64::from(refresh) / 1000.0),
    }
}

fn document(connector: &Connector) -> Value {
    let mode = |mode: &Mode| json!({ "width": mode.width, "height": mode.height, "refresh_hz": hertz(mode) });
    let monitor = connector.edid.as_ref().map(|edid| {
        json!({
            "manufacturer": edid.manufacturer,
            "product": edid.product,
            "serial": edid.serial,
            "name": edid.name,
            "width_mm": edid.size.0,
            "height_mm": edid.size.1,
        })
    });
    json!({
        "number": connector.number,
        "connected": connector.connected,
        "monitor": monitor,
        "preferred": connector.preferred().map(mode),
        "modes": connector.modes.iter().map(mode).collect::<Vec<_>>(),
    })
}

/// `None` where nobody says.
fn hertz(mode: &Mode) -> Option<f64> {
    (mode.refresh > 0).then(|| f64::from(mode.refresh) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector() -> Connector {
        let mode = |width, height, refresh| Mode { width, height, refresh };
        let modes = vec![mode(1024, 768, 59_920), mode(800, 600, 0)];
        let edid = Edid {
            manufacturer: "RHT".into(),
            product: 0x1234,
            serial: 0,
            name: Some("QEMU Monitor".into()),
            size: (260, 195),
            modes: modes.clone(),
        };
        Connector { number: 0, connected: true, modes, edid: Some(edid) }
    }

    #[test]
    fn a_connector_is_told_with_its_monitor_and_modes() {
        let wanted = "connector 0: QEMU Monitor (RHT 1234), 260 x 195 mm, prefers 1024x768@59.92\n\
                      \x20 MODE       REFRESH\n\
                      \x20 1024x768  59.92 Hz  preferred\n\
                      \x20 800x600          -\n";
        assert_eq!(text(&connector()), wanted);
        let none = Connector { number: 1, connected: false, modes: vec![], edid: None };
        assert_eq!(text(&none), "connector 1: no monitor\n");
    }

    #[test]
    fn as_a_document() {
        let document = document(&connector());
        assert_eq!(document["preferred"], json!({ "width": 1024, "height": 768, "refresh_hz": 59.92 }));
        assert_eq!(document["modes"][1]["refresh_hz"], Value::Null);
        assert_eq!(document["monitor"]["width_mm"], 260);
    }
}
