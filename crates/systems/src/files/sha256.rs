//! SHA-256, as results and checksums write it: 64 hexadecimal digits.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes of a file read at once.
const CHUNK: usize = 1 << 20;

/// SHA-256 of bytes.
pub fn of_bytes(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The size of a file in bytes, and SHA-256 of what it holds.
///
/// # Errors
/// When it cannot be read.
pub fn of_file(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = Hasher { hash: Sha256::new() };
    let bytes = io::copy(&mut BufReader::with_capacity(CHUNK, File::open(path)?), &mut hasher)?;
    Ok((bytes, hex::encode(hasher.hash.finalize())))
}

/// Takes what is written to it into a hash.
struct Hasher {
    hash: Sha256,
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn bytes_and_a_file_of_them_have_the_published_hash() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_bytes("abc"), expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!(of_file(&path).unwrap(), (3, expected.to_owned()));
    }

    #[test]
    fn a_file_of_several_chunks_is_hashed_whole() {
        let bytes: Vec<u8> = (0..CHUNK * 2 + 17).map(|index| index as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        fs::write(&path, &bytes).unwrap();
        assert_eq!(of_file(&path).unwrap(), (bytes.len() as u64, of_bytes(&bytes)));
    }
}
