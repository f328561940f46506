//! The picture on the GPU's screen, seen from outside.

use dirql_lab::{Machine, Result, Screen};
use dirql_patterns::Pattern;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const INTERRUPT: i32 = 2;

/// Shows the picture, takes the screen's dump, and leaves it in the directory as PNG; fails unless it is, pixel for pixel,
/// the one that is drawn here.
pub fn shown(
    machine: &Machine,
    gpu: &str,
    (name, width, height): (&str, usize, usize),
    directory: &Path,
) -> Result<PathBuf> {
    let words = format!("dirql display {gpu} pattern");
    writeln!(io::stdout().lock(), "\ndemo$ {words}")?;
    let running = machine.command(&words).user("demo").spawn()?;
    let output = running.until(PATIENCE, |output| output.error_text().contains("showing "))?;
    print!("{}", output.error_text());
    let screen = machine.screen(name, 0)?;
    running.signal(INTERRUPT)?;
    running.wait(PATIENCE)?.ok()?;
    println!("^C");
    let mut wanted = Screen::filled(width, height, 0);
    Pattern::Aurora.draw(&mut wanted.pixels, width);
    if let Some(difference) = screen.difference(&wanted) {
        return Err(format!("the GPU's screen does not show the picture: {difference}").into());
    }
    let path = directory.join("pattern.png");
    write(&path, &screen)?;
    Ok(path)
}

fn write(path: &Path, screen: &Screen) -> Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, u32::try_from(screen.width)?, u32::try_from(screen.height())?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let colours = |pixel: &u32| pixel.to_be_bytes().into_iter().skip(1);
    let bytes: Vec<u8> = screen.pixels.iter().flat_map(colours).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    Ok(writer.finish()?)
}
