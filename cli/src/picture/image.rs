//! Images from PNG files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _, Seek};
use std::path::Path;

use dirql::class::display::{Canvas, Rectangle};
use dirql::{Error, ErrorKind, Result};
use png::{BitDepth, ColorType, Decoder, DecodingError, Transformations};

/// Pixels of the largest image: 64 Mi, which no display shows.
const MAX_PIXELS: u64 = 1 << 26;
/// Bytes of the largest file that is read from stdin.
const MAX_INPUT: u64 = 1 << 29;

/// An image in memory.
#[derive(Debug)]
pub struct Image {
    name: String,
    width: u32,
    /// Line after line, each 0x00RRGGBB.
    pixels: Vec<u32>,
}

impl Image {
    /// Reads a PNG file; `-` is stdin.
    ///
    /// # Errors
    /// `NotFound` and its kin where it cannot be read; `InvalidArgument` where it is no image, is damaged, or is larger
    /// than 64 Mi pixels.
    pub fn open(path: &Path) -> Result<Self> {
        let unread = |error| Error::io(&error, "reading of the image").path(path);
        let image = if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().take(MAX_INPUT).read_to_end(&mut bytes).map_err(unread)?;
            Self::read(Cursor::new(bytes), path)
        } else {
            Self::read(BufReader::new(File::open(path).map_err(unread)?), path)
        };
        image.map_err(|error| error.path(path))
    }

    /// Reads a PNG from memory or a file, of the name `path`.
    ///
    /// # Errors
    /// As [`Image::open`], but for those of a file.
    pub fn read(from: impl BufRead + Seek, path: &Path) -> Result<Self> {
        let mut decoder = Decoder::new(from);
        decoder.set_transformations(Transformations::EXPAND);
        let header = decoder.read_header_info().map_err(|error| undecoded(&error))?;
        let (width, height) = (header.width, header.height);
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(malformed(format!("it has {width}x{height} pixels, and {MAX_PIXELS} are the most")));
        }
        let mut reader = decoder.read_info().map_err(|error| undecoded(&error))?;
        // The decoder sees that it is neither empty nor too long, and then panics over an entry that is not whole.
        let palette = reader.info().palette.as_ref().map_or(0, |palette| palette.len());
        if !palette.is_multiple_of(3) {
            return Err(malformed(format!("its palette has {palette} bytes, which is no number of colours")));
        }
        let size = reader.output_buffer_size().ok_or_else(|| malformed("it is too large".into()))?;
        let mut bytes = vec![0; size];
        let frame = reader.next_frame(&mut bytes).map_err(|error| undecoded(&error))?;
        if (frame.width, frame.height) != (width, height) {
            let (part, parts) = (frame.width, frame.height);
            return Err(malformed(format!("it is {width}x{height}, and its first frame {part}x{parts}")));
        }
        let samples = match frame.bit_depth {
            BitDepth::Sixteen => bytes.chunks_exact(2).map(|sample| rounded(sample[0], sample[1])).collect(),
            _ => bytes,
        };
        let pixels = match frame.color_type {
            ColorType::Grayscale => samples.iter().map(|&grey| pixel([grey; 3], 255)).collect(),
            ColorType::GrayscaleAlpha => samples.chunks_exact(2).map(|of| pixel([of[0]; 3], of[1])).collect(),
            ColorType::Rgb => samples.chunks_exact(3).map(|of| pixel([of[0], of[1], of[2]], 255)).collect(),
            ColorType::Rgba => {
                samples.chunks_exact(4).map(|of| pixel([of[0], of[1], of[2]], of[3])).collect()
            }
            ColorType::Indexed => return Err(malformed("its palette is missing".into())),
        };
        Ok(Self { name: path.display().to_string(), width, pixels })
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pixels of a line.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Lines.
    pub fn height(&self) -> u32 {
        self.pixels.len().checked_div(self.width as usize).unwrap_or(0) as u32
    }

    /// Draws it into the middle of black; of a pixel that is left over, the left and the upper side have less.
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        let (width, height) = (self.width(), self.height());
        let x = canvas.width().saturating_sub(width) / 2;
        let y = canvas.height().saturating_sub(height) / 2;
        canvas.pixels().fill(0);
        let lines = self.pixels.chunks_exact((width as usize).max(1));
        for (to, from) in canvas.lines(Rectangle { x, y, width, height }).zip(lines) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}

/// The nearest number of 8 bits to one of 16.
fn rounded(high: u8, low: u8) -> u8 {
    ((u32::from(u16::from_be_bytes([high, low])) + 128) / 257) as u8
}

/// A pixel over black.
fn pixel(colours: [u8; 3], alpha: u8) -> u32 {
    colours.into_iter().fold(0, |pixel, colour| {
        let share = (u32::from(colour) * u32::from(alpha) + 127) / 255;
        pixel << 8 | share
    })
}

fn malformed(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "reading of the image").why(why)
}

fn undecoded(error: &DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            malformed("it ends too early".into())
        }
        DecodingError::IoError(error) => Error::io(error, "reading of the image"),
        DecodingError::LimitsExceeded => malformed("it takes more memory than it should".into()),
        error => malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(colour: ColorType, depth: BitDepth, (width, height): (u32, u32), data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 40, 50, 60, 100, 200, 250]);
            encoder.set_trns(vec![255, 255, 51]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    fn read(bytes: &[u8]) -> Result<Image> {
        Image::read(Cursor::new(bytes), Path::new("a.png"))
    }

    #[test]
    fn every_kind_of_image_becomes_pixels() {
        use BitDepth::{Eight, One, Sixteen, Two};
        use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        let cases: [(ColorType, BitDepth, &[u8], [u32; 2]); 8] = [
            (Grayscale, Eight, &[7, 255], [0x070707, 0xffffff]),
            (Grayscale, One, &[0x40], [0, 0xffffff]),
            (Grayscale, Sixteen, &[0x12, 0x80, 0xff, 0x80], [0x121212, 0xffffff]),
            (GrayscaleAlpha, Eight, &[200, 255, 200, 51], [0xc8c8c8, 0x282828]),
            (Rgb, Eight, &[1, 2, 3, 4, 5, 6], [0x010203, 0x040506]),
            (Rgb, Sixteen, &[1, 0, 2, 0, 3, 0, 4, 200, 5, 0, 6, 0], [0x010203, 0x050506]),
            (Rgba, Eight, &[255, 128, 0, 128, 9, 9, 9, 0], [0x804000, 0]),
            (Indexed, Two, &[0x60], [0x28323c, 0x142832]),
        ];
        for (colour, depth, data, wanted) in cases {
            let image = read(&encoded(colour, depth, (2, 1), data)).unwrap();
            assert_eq!((image.width(), image.height()), (2, 1));
            assert_eq!(image.pixels, wanted, "{colour:?} {depth:?}");
        }
    }

    #[test]
    fn a_smaller_one_stands_in_the_middle_of_black() {
        let image = read(&encoded(ColorType::Grayscale, BitDepth::Eight, (2, 1), &[1, 2])).unwrap();
        let mut pixels = [9; 20];
        image.draw(&mut Canvas::new(&mut pixels, 5));
        let (a, b) = (0x010101, 0x020202);
        assert_eq!(pixels, [0, 0, 0, 0, 0, 0, a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut exact = [9; 2];
        image.draw(&mut Canvas::new(&mut exact, 2));
        assert_eq!(exact, [a, b]);
        // Who asks for a size that is too small gets a part.
        image.draw(&mut Canvas::new(&mut exact[..1], 1));
        assert_eq!(exact, [a, b]);
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        let whole = encoded(ColorType::Rgb, BitDepth::Eight, (50, 50), &[77; 7500]);
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        let mut huge = whole.clone();
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        // The header's check sequence, over its name and content.
        let sum = crc(&huge[12..29]);
        huge[29..33].copy_from_slice(&sum.to_be_bytes());
        let cases: [(&[u8], &str); 6] = [
            (&[], "it ends too early"),
            (b"GIF89a and more", "why:"),
            (&whole[..40], "it ends too early"),
            (&whole[..whole.len() - 20], "it ends too early"),
            (&damaged, "why:"),
            (&huge, "65536x65536"),
        ];
        for (bytes, words) in cases {
            let error = read(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = Image::open(Path::new("/nonexistent/a.png")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent/a.png"), "{error}");
    }

    /// A palette of a length that the specification forbids (11.2.2), in a file that is otherwise good.
    #[test]
    fn a_palette_that_is_no_number_of_colours_is_an_error() {
        let whole = encoded(ColorType::Indexed, BitDepth::Two, (2, 1), &[0x60]);
        let at = whole.windows(4).position(|name| name == b"PLTE").unwrap();
        for (length, words) in [(9, None), (13, Some("13 bytes")), (1, Some("why:")), (771, Some("why:"))] {
            let mut chunk = b"PLTE".to_vec();
            chunk.resize(4 + length, 7);
            let sum = crc(&chunk);
            let parts = [&whole[..at - 4], &(length as u32).to_be_bytes(), &chunk, &sum.to_be_bytes()];
            let file = [parts.concat(), whole[at + 4 + 9 + 4..].to_vec()].concat();
            match (read(&file), words) {
                (Ok(image), None) => assert_eq!((image.width(), image.height()), (2, 1)),
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{length}: {error}"),
                (outcome, _) => panic!("{length}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_bit_panics() {
        let data: Vec<u8> = (0..4 * 9 * 7).map(|byte| byte as u8).collect();
        let whole = encoded(ColorType::Rgba, BitDepth::Eight, (9, 7), &data);
        for length in 0..whole.len() {
            // What follows the pixels is missed by nobody.
            assert!(read(&whole[..length]).is_err() || length + 16 > whole.len(), "{length} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(image) = read(&flipped) {
                assert_eq!((image.width(), image.height()), (9, 7), "bit {bit}");
            }
        }
    }

    /// CRC-32 as PNG has it.
    fn crc(bytes: &[u8]) -> u32 {
        let sum = bytes.iter().fold(!0_u32, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ (0xedb8_8320 * (sum & 1)))
        });
        !sum
    }
}
