//! Reports as OpenMetrics text, which Prometheus reads.
//!
//! A reader of Prometheus's older text format, as node_exporter's collector of text files is, reads it as well: no type is
//! used that only the newer one has, and no time stamp.
//!
//! Source: OpenMetrics 1.0, 3 (data model) and 4.1 (text format).

mod text;

use self::text::{Labels, Text};
use super::report::{Report, Times, VectorTimes};
use crate::class::display::DisplayReport;
use crate::class::net::{NetReport, QueueCounters, Statistics};
use crate::dma::DmaUsage;
use crate::interrupt::VectorStatistics;

/// A counter's name without `dirql_` and `_total`, what it is, and where it is. The name's last word is the unit, where it
/// is `bytes`.
type Counter<T> = (&'static str, &'static str, fn(&T) -> u64);

const VECTOR: [Counter<VectorStatistics>; 9] = [
    ("interrupts", "Interrupts that arrived.", |of| of.count),
    ("handler_calls", "Calls of the handler.", |of| of.calls),
    ("interrupts_coalesced", "Interrupts that came together with another, in one call.", |of| of.coalesced),
    ("interrupts_spurious", "Calls that found nothing to do.", |of| of.spurious),
    ("interrupt_storms", "Times that the vector was quieted.", |of| of.storms),
    ("poisonings", "Times that a panic left the vector's state half done.", |of| of.poisonings),
    ("sections", "Routines that ran synchronized with the handler.", |of| of.synchronize.calls),
    ("section_reentries", "Sections that were refused to who has one.", |of| of.synchronize.reentries),
    ("holds_over_budget", "Times that the vector was held for too long.", |of| of.synchronize.over_budget),
];

/// A histogram's name without `dirql_`, what it is, and where it is.
type Duration = (&'static str, &'static str, fn(&VectorTimes) -> &Times);

const DURATIONS: [Duration; 5] = [
    ("handler_duration_seconds", "How long the handler ran.", |of| &of.handler),
    ("handler_wait_seconds", "How long the handler waited for the vector.", |of| &of.handler_wait),
    ("section_hold_seconds", "How long sections held the vector, of those that were timed.", |of| {
        &of.section_hold
    }),
    ("section_wait_seconds", "How long sections waited for the vector.", |of| &of.section_wait),
    ("deferred_duration_seconds", "How long deferred calls ran.", |of| &of.deferred),
];

const QUEUE: [Counter<QueueCounters>; 7] = [
    ("queue_receive_frames", "Frames handed to the program.", |of| of.receive_frames),
    ("queue_receive_bytes", "Their bytes, without check sequences.", |of| of.receive_bytes),
    ("queue_receive_dropped", "Frames that came damaged, and went to nobody.", |of| of.receive_dropped),
    ("queue_receive_doorbells", "Writes that gave the device buffers.", |of| of.receive_doorbells),
    ("queue_transmit_frames", "Frames queued.", |of| of.transmit_frames),
    ("queue_transmit_bytes", "Their bytes, without check sequences.", |of| of.transmit_bytes),
    ("queue_transmit_doorbells", "Writes that told the device of frames.", |of| of.transmit_doorbells),
];

const NET: [Counter<Statistics>; 6] = [
    ("net_receive_frames", "Good frames received, by the device's count.", |of| of.receive_frames),
    ("net_receive_bytes", "Their bytes, with check sequences.", |of| of.receive_bytes),
    ("net_receive_errors", "Frames received in error.", |of| of.receive_errors),
    ("net_receive_missed", "Frames lost because no buffer was free.", |of| of.receive_missed),
    ("net_transmit_frames", "Frames sent, by the device's count.", |of| of.transmit_frames),
    ("net_transmit_bytes", "Their bytes, with check sequences.", |of| of.transmit_bytes),
];

const DISPLAY: [Counter<DisplayReport>; 6] = [
    ("display_mode_sets", "Modes that were set.", |of| of.shown.mode_sets),
    ("display_flips", "Page flips.", |of| of.shown.flips),
    ("display_damage_rectangles", "Rectangles that were to be taken over.", |of| of.shown.damage_rectangles),
    ("display_damage_pixels", "Pixels that were to be taken over.", |of| of.shown.damage_pixels),
    ("display_fences", "Fences that were given.", |of| of.fences.given),
    ("display_fences_passed", "Fences that have passed.", |of| of.fences.passed),
];

const DMA: [Counter<DmaUsage>; 4] = [
    ("dma_mapped_bytes", "Bytes that the device can reach.", |of| of.mapped_bytes),
    ("dma_used_bytes", "Those of them that are in use.", |of| of.used_bytes),
    ("dma_mappings", "DMA mappings.", |of| of.mappings.into()),
    ("dma_mappings_left", "DMA mappings that still fit.", |of| of.mappings_left.into()),
];

/// What these reports say, as OpenMetrics 1.0 text: durations in seconds, and labels `device`, `driver`, `vector` and
/// `queue`. Of two reports of the same device, the first counts.
pub fn openmetrics(reports: &[Report]) -> String {
    let mut text = Text::default();
    let of = |report: &Report| Labels::of(report);
    text.gauge(
        "device_info",
        "A device that a program drives.",
        reports.iter().map(|report| {
            let who = [
                ("program", &report.program),
                ("pid", &report.pid.to_string()),
                ("uid", &report.uid.to_string()),
            ];
            (who.into_iter().fold(of(report), |labels, (name, value)| labels.with(name, value)), 1.0)
        }),
    );
    let uptime = reports.iter().map(|report| (of(report), report.uptime_seconds));
    text.gauge("uptime_seconds", "For how long the program has published the device.", uptime);

    let vectors = || {
        let of = |report| (Labels::of(report), report);
        let each = reports.iter().map(of);
        each.flat_map(|(labels, report)| {
            report.vectors.iter().map(move |vector| (labels.clone().with("vector", vector.index), vector))
        })
    };
    for (name, help, read) in VECTOR {
        text.counter(name, help, vectors().map(|(labels, vector)| (labels, read(vector))));
    }
    let times = || {
        reports.iter().flat_map(|report| {
            report.times.iter().map(move |times| (Labels::of(report).with("vector", times.index), times))
        })
    };
    for (name, help, read) in DURATIONS {
        text.histogram(name, help, times().map(|(labels, times)| (labels, read(times))));
    }

    let dma = || reports.iter().filter_map(|report| Some((of(report), report.dma.as_ref()?)));
    for (name, help, read) in DMA {
        text.gauge(name, help, dma().map(|(labels, dma)| (labels, read(dma) as f64)));
    }
    net(&mut text, reports);
    let displays = || reports.iter().filter_map(|report| Some((of(report), report.display.as_ref()?)));
    for (name, help, read) in DISPLAY {
        text.counter(name, help, displays().map(|(labels, display)| (labels, read(display))));
    }
    let random = || reports.iter().filter_map(|report| Some((of(report), report.random?)));
    text.counter("random_reads", "Calls for entropy.", random().map(|(labels, of)| (labels, of.reads)));
    text.counter("random_bytes", "Bytes that they gave.", random().map(|(labels, of)| (labels, of.bytes)));
    text.end()
}

fn net(text: &mut Text, reports: &[Report]) {
    let nets = || -> Box<dyn Iterator<Item = (Labels, &NetReport)>> {
        Box::new(reports.iter().filter_map(|report| Some((Labels::of(report), report.net.as_ref()?))))
    };
    let links = || nets().filter_map(|(labels, net)| Some((labels, net.link?)));
    let is = |yes: bool| f64::from(u8::from(yes));
    text.gauge(
        "net_link_up",
        "Whether there is a link.",
        links().map(|(labels, link)| (labels, is(link.up))),
    );
    let speeds = links().map(|(labels, link)| (labels, f64::from(link.speed) * 1e6 / 8.0));
    text.gauge("net_link_speed_bytes", "What the link carries in a second.", speeds);
    let changes = links().map(|(labels, link)| (labels, link.changes));
    text.counter("net_link_changes", "How often the link went up or down.", changes);
    for (name, help, read) in NET {
        let statistics = nets().filter_map(|(labels, net)| Some((labels, net.statistics?)));
        text.counter(name, help, statistics.map(|(labels, of)| (labels, read(&of))));
    }
    for (name, help, read) in QUEUE {
        let queues = nets().flat_map(|(labels, net)| {
            (0_u32..)
                .zip(&net.queues)
                .map(move |(number, queue)| (labels.clone().with("queue", number), queue))
        });
        text.counter(name, help, queues.map(|(labels, queue)| (labels, read(queue))));
    }
}

#[cfg(test)]
mod tests;
