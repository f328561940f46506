use super::*;
use crate::class::net::Link;
use crate::interrupt::{DeferredStatistics, Mode, Percentiles, SynchronizeStatistics};
use crate::telemetry::report::Shorter;

/// A network device's, with all that there is.
fn report() -> Report {
    let synchronize = SynchronizeStatistics {
        calls: 7,
        wait_ns: Percentiles::default(),
        hold_ns: Percentiles::default(),
        timed: 1,
        reentries: 0,
        budget_ns: 25_000,
        over_budget: 2,
        latest_over_budget: Vec::new(),
    };
    let vector = VectorStatistics {
        index: 3,
        mode: Mode::Msix,
        count: 12,
        calls: 11,
        coalesced: 1,
        spurious: 0,
        storms: 0,
        poisonings: 0,
        handler_ns: Percentiles::default(),
        handler_wait_ns: Percentiles::default(),
        synchronize,
        deferred: DeferredStatistics::default(),
    };
    let shorter = [(512, 4), (1024, 9)].map(|(than_ns, count)| Shorter { than_ns, count });
    let handler = Times { count: 11, sum_ns: 1_500_000_000, shorter: shorter.to_vec() };
    let queue = QueueCounters { transmit_frames: 5, transmit_bytes: 320, ..QueueCounters::default() };
    Report {
        address: "0000:00:03.0".parse().unwrap(),
        pid: 17,
        uid: 1000,
        program: "a \"b\\c\"\nd".into(),
        driver: Some("e1000".into()),
        uptime_seconds: 2.5,
        vectors: vec![vector],
        times: vec![VectorTimes { index: 3, handler, ..VectorTimes::default() }],
        dma: Some(DmaUsage { mapped_bytes: 4096, used_bytes: 64, mappings: 1, mappings_left: 65534 }),
        net: Some(NetReport {
            link: Some(Link { up: true, speed: 1000, full_duplex: true, changes: 1 }),
            statistics: Some(Statistics { receive_missed: 6, ..Statistics::default() }),
            queues: vec![QueueCounters::default(), queue],
        }),
        display: None,
        random: None,
    }
}

const DEVICE: &str = r#"device="0000:00:03.0",driver="e1000""#;

/// The lines of a family: its metadata and samples.
fn family<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let words = |line: &&str| line.split([' ', '{']).any(|word| word.strip_prefix(name).is_some_and(is_end));
    fn is_end(rest: &str) -> bool {
        ["", "_total", "_bucket", "_count", "_sum"].contains(&rest)
    }
    text.lines().filter(words).collect()
}

#[test]
fn a_counter_is_told_in_full() {
    let text = openmetrics(&[report()]);
    assert_eq!(
        family(&text, "dirql_interrupts"),
        [
            "# TYPE dirql_interrupts counter",
            "# HELP dirql_interrupts Interrupts that arrived.",
            &format!("dirql_interrupts_total{{{DEVICE},vector=\"3\"}} 12"),
        ]
    );
    assert_eq!(
        family(&text, "dirql_queue_transmit_bytes"),
        [
            "# TYPE dirql_queue_transmit_bytes counter",
            "# UNIT dirql_queue_transmit_bytes bytes",
            "# HELP dirql_queue_transmit_bytes Their bytes, without check sequences.",
            &format!("dirql_queue_transmit_bytes_total{{{DEVICE},queue=\"0\"}} 0"),
            &format!("dirql_queue_transmit_bytes_total{{{DEVICE},queue=\"1\"}} 320"),
        ]
    );
    assert_eq!(
        family(&text, "dirql_net_receive_missed")[2],
        format!("dirql_net_receive_missed_total{{{DEVICE}}} 6")
    );
    assert_eq!(
        family(&text, "dirql_net_link_speed_bytes")[3],
        format!("dirql_net_link_speed_bytes{{{DEVICE}}} 125000000")
    );
    assert!(text.ends_with("\n# EOF\n") && !text.contains("display"), "{text}");
}

#[test]
fn a_histogram_is_in_seconds_and_cumulative() {
    let text = openmetrics(&[report()]);
    let labels = format!("{DEVICE},vector=\"3\"");
    assert_eq!(
        family(&text, "dirql_handler_duration_seconds"),
        [
            "# TYPE dirql_handler_duration_seconds histogram",
            "# UNIT dirql_handler_duration_seconds seconds",
            "# HELP dirql_handler_duration_seconds How long the handler ran.",
            &format!("dirql_handler_duration_seconds_bucket{{{labels},le=\"0.000000512\"}} 4"),
            &format!("dirql_handler_duration_seconds_bucket{{{labels},le=\"0.000001024\"}} 9"),
            &format!("dirql_handler_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 11"),
            &format!("dirql_handler_duration_seconds_count{{{labels}}} 11"),
            &format!("dirql_handler_duration_seconds_sum{{{labels}}} 1.5"),
        ]
    );
}

#[test]
fn what_would_end_a_label_is_escaped() {
    let text = openmetrics(&[report()]);
    let told = family(&text, "dirql_device_info")[2];
    assert_eq!(
        told,
        format!(r#"dirql_device_info{{{DEVICE},program="a \"b\\c\"\nd",pid="17",uid="1000"}} 1"#)
    );
}

#[test]
fn what_a_strange_program_says_is_no_reason_for_bad_text() {
    let mut strange = report();
    strange.times[0].handler = Times {
        count: 1,
        sum_ns: 0,
        shorter: [(512, 9), (512, 10), (256, 3), (1024, 2)]
            .map(|(than_ns, count)| Shorter { than_ns, count })
            .to_vec(),
    };
    strange.vectors.push(strange.vectors[0].clone());
    let text = openmetrics(&[strange, report()]);
    let counts: Vec<_> = family(&text, "dirql_handler_duration_seconds")
        .into_iter()
        .filter_map(|line| line.split_once("le=\"")?.1.split_once("\"} "))
        .collect();
    assert_eq!(counts, [("0.000000512", "9"), ("0.000001024", "9"), ("+Inf", "9")]);
    assert_eq!(family(&text, "dirql_interrupts").len(), 3, "{text}");
}

#[test]
fn without_a_program_there_is_nothing_but_an_end() {
    assert_eq!(openmetrics(&[]), "# EOF\n");
}
