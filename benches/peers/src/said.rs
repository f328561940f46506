//! What contenders say of themselves when they end.

use dirql_lab::{Output, Result};
use serde::Serialize;

/// What a contender says of itself.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Said {
    /// Frames a second.
    pub rate: Option<f64>,
    /// Doorbells for each frame.
    pub doorbells_per_frame: Option<f64>,
    /// Frames that the device had no buffer for.
    pub missed: Option<u64>,
    /// Interrupts that arrived, for each frame.
    pub interrupts_per_frame: Option<f64>,
}

/// `… 93123pps 44Mb/sec …`, of all its time.
pub fn of_pktgen(text: &str) -> Said {
    let rate = text.split_whitespace().find_map(|word| word.strip_suffix("pps")?.parse().ok());
    Said { rate, ..Said::default() }
}

/// `  Tx-pps:       412345          Tx-bps: …`, once a second; the way that is not used stands at 0.
pub fn of_testpmd(output: &Output, warm_up: usize) -> Result<Said> {
    let text = output.text();
    let pps = |line: &str| -> Option<f64> {
        let mut words = line.split_whitespace();
        words.next().filter(|word| word.ends_with("x-pps:"))?;
        words.next()?.parse().ok()
    };
    let rates: Vec<f64> = text.lines().filter_map(pps).filter(|rate| *rate > 0.0).collect();
    if rates.is_empty() {
        return Err(format!("testpmd moved nothing\n{output}").into());
    }
    Ok(Said { rate: steady(&rates, warm_up), ..Said::default() })
}

/// The command's JSON document.
pub fn of_dirql(output: &Output, warm_up: usize) -> Result<Said> {
    let report = output.json()?;
    let rates: Vec<f64> =
        report["per_second"].as_array().into_iter().flatten().filter_map(|each| each.as_f64()).collect();
    let frames = report["frames"].as_f64().unwrap_or(0.0).max(1.0);
    Ok(Said {
        rate: steady(&rates, warm_up).or(report["rate"].as_f64()),
        doorbells_per_frame: report["doorbells"].as_f64().map(|doorbells| doorbells / frames),
        missed: report["missed"].as_u64(),
        interrupts_per_frame: report["interrupts"].as_f64().map(|interrupts| interrupts / frames),
    })
}

/// The mean of the seconds after the first ones, and without the last, in which it ended.
fn steady(rates: &[f64], warm_up: usize) -> Option<f64> {
    let rates = rates.get(warm_up..rates.len().saturating_sub(1)).filter(|rates| !rates.is_empty())?;
    Some(rates.iter().sum::<f64>() / rates.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pktgen_is_understood() {
        let text = "Params: count 0  min_pkt_size: 60  max_pkt_size: 60\n\
                    Result: OK: 5000132(c4999984+d148) usec, 465615 (60byte,0frags)\n  93121pps 44Mb/sec (44698080bps) errors: 0";
        assert_eq!(of_pktgen(text).rate, Some(93121.0));
        assert_eq!(of_pktgen("Result: Idle").rate, None);
    }

    #[test]
    fn the_first_and_the_last_second_do_not_count() {
        assert_eq!(steady(&[1.0, 2.0, 10.0, 20.0, 3.0], 2), Some(15.0));
        assert_eq!(steady(&[1.0, 2.0], 2), None);
        assert_eq!(steady(&[], 2), None);
    }
}
