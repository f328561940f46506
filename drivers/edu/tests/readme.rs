//! The README shows the driver as it is.

#[test]
fn the_readme_shows_the_whole_driver() {
    let (readme, driver) = (include_str!("../../../README.md"), include_str!("../src/lib.rs"));
    assert!(readme.contains(driver.trim_end()), "README.md does not hold drivers/edu/src/lib.rs as it is");
}
