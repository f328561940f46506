//! What programs count.

use std::time::Duration;

use clap::Args;

use super::seconds;

/// `stats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql stats                                all that your programs drive
  dirql stats 00:03.0 --watch                again each second, with rates
  dirql stats 00:03.0 --json | jq '.devices[0].net.queues'
  sudo sh -c 'cd /var/lib/prometheus/node-exporter &&
    dirql stats --openmetrics > dirql.$$ && mv dirql.$$ dirql.prom'

The program that drives the device is asked, as dirql run or dirql net, and
does not notice. Yours are asked, or everybody's where you are root. The last
example, from a timer, hands all to Prometheus by the node exporter's textfile
collector. Without a device, that nothing runs is no failure.

Exit code 6 where no program drives the device.")]
pub struct Stats {
    /// The devices; all that run, where none is named
    #[arg(value_name = "BDF")]
    pub devices: Vec<String>,

    /// Look again and again, until Ctrl-C, and tell rates
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
          value_parser = interval)]
    pub watch: Option<Duration>,

    /// End after so many seconds
    #[arg(long, value_name = "S", requires = "watch", value_parser = seconds)]
    pub seconds: Option<Duration>,

    /// Print OpenMetrics text, as Prometheus reads it
    #[arg(long, conflicts_with_all = ["watch", "json"])]
    pub openmetrics: bool,
}

/// Reads the time between two looks.
fn interval(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Ok(interval) if interval < Duration::from_millis(50) => Err("0.05 seconds at least".into()),
        Err(_) if text.contains(':') => Err("devices come first, as in dirql stats 00:03.0 --watch".into()),
        read => read,
    }
}
