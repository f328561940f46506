//! Breaks the code on purpose: the environment's `DIRQL_MUTATION`, one of `mutations.txt`, becomes a cfg of this crate.

fn main() {
    println!("cargo::rerun-if-env-changed=DIRQL_MUTATION");
    if let Ok(mutation) = std::env::var("DIRQL_MUTATION") {
        println!("cargo::rustc-cfg=mutation=\"{mutation}\"");
    }
}
