//! `cargo bench --bench synchronize`: what a section costs, and what an interrupt costs, as ratios to the plainest thing
//! that could do. How a row is measured is in `contest.rs`.

mod connection;
mod contended;
mod contest;
mod delivery;
mod peer;
mod ratio;
mod sections;
mod setup;

fn main() {
    let mut contest = contest::Contest::from_arguments();
    sections::run(&mut contest);
    contended::run(&mut contest);
    delivery::run(&mut contest);
    connection::run(&mut contest);
    contest.finish();
}
