//! Task definitions are found by folder: a file that is added there is compiled in.

fn main() {
    println!("cargo:rerun-if-changed=tasks");
}
