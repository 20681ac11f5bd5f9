//! Files that appear whole or not at all, and what is no file, which is written through.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What temporary files' names begin with.
const PREFIX: &str = ".gac-";
/// What they end with.
const SUFFIX: &str = ".tmp";
/// Longest part of a file's name in its temporary one's: file systems end at 255 bytes.
const MOST_OF_NAME: usize = 200;
/// Links to follow before they are taken for a circle; Linux's number.
const MOST_LINKS: usize = 40;

/// Whether a file of this name was being written when its process was killed.
pub fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// Writes a file so that a reader, or a crash, sees the old content or the new, never a part.
///
/// As [`Output::open`] and [`Output::write`].
///
/// # Errors
/// When it cannot be written; the old content is intact then, and the temporary file is gone.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    Output::open(path)?.write(content)
}

/// Where a path leads that is to be written.
#[derive(Debug)]
pub enum Destination {
    /// Standard output: `-`, `/dev/stdout`, or what else names file descriptor 1.
    Stdout,
    /// A pipe, a device, another file descriptor: what takes what is written as it comes.
    Stream(File),
    /// A regular file, there or not yet: links are followed, so that they stay.
    File(PathBuf),
}

impl Destination {
    /// Finds out, and opens a stream: a named pipe waits for its reader here.
    ///
    /// # Errors
    /// When links lead in a circle, or to a folder, or a stream cannot be opened.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            match descriptor(&path) {
                Some(1) => return Ok(Self::Stdout),
                // Whoever opened a file for us may have written to it before.
                Some(_) => return Ok(Self::Stream(OpenOptions::new().append(true).open(path)?)),
                None => {}
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    let target = fs::read_link(&path)?;
                    path = path.parent().unwrap_or(Path::new("")).join(target);
                }
                Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                Ok(found) if !found.is_file() => return Ok(Self::Stream(OpenOptions::new().write(true).open(path)?)),
                Ok(_) => return Ok(Self::File(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::File(path)),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links"))
    }
}

/// The file descriptor of this process that `path` names.
fn descriptor(path: &Path) -> Option<u32> {
    match path.to_str()? {
        "-" | "/dev/stdout" => Some(1),
        "/dev/stderr" => Some(2),
        path => path.strip_prefix("/dev/fd/").or_else(|| path.strip_prefix("/proc/self/fd/"))?.parse().ok(),
    }
}

/// Something that is written once, whole.
#[derive(Debug)]
pub struct Output(WritePlace);

#[derive(Debug)]
enum WritePlace {
    Stdout,
    Stream(File),
    /// A temporary file beside the file, renamed over it.
    Beside(Temporary),
    /// The file itself, in a folder that takes no other.
    Within(File),
}

impl Output {
    /// Makes sure that `path` can be written, so that this is known before the work begins. Nothing is changed yet.
    ///
    /// # Errors
    /// When it cannot.
    pub fn open(path: &Path) -> io::Result<Self> {
        let target = match Destination::of(path)? {
            Destination::Stdout => return Ok(Self(WritePlace::Stdout)),
            Destination::Stream(stream) => return Ok(Self(WritePlace::Stream(stream))),
            Destination::File(target) => target,
        };
        // A file that may not be written is not replaced either.
        let old = match OpenOptions::new().write(true).open(&target) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self(match (Temporary::beside(target), old) {
            (Ok(temporary), old) => {
                if let Some(old) = old {
                    temporary.take_after(&old.metadata()?)?;
                }
                WritePlace::Beside(temporary)
            }
            (Err(_), Some(old)) => WritePlace::Within(old),
            (Err(error), None) => return Err(error),
        }))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When it cannot be written; a file's old content is intact then.
    pub fn write(self, content: &[u8]) -> io::Result<()> {
        match self.0 {
            WritePlace::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(content)?;
                out.flush()
            }
            WritePlace::Stream(mut stream) => stream.write_all(content),
            WritePlace::Within(file) => replace(file, content),
            WritePlace::Beside(mut temporary) => {
                temporary.file.write_all(content)?;
                temporary.file.sync_all()?;
                temporary.put_in_place(content)
            }
        }
    }
}

/// Writes over a file that cannot be renamed over.
fn replace(mut file: File, content: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A file beside the one that it is going to be; it goes away if it does not become it.
#[derive(Debug)]
struct Temporary {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Temporary {
    fn beside(target: PathBuf) -> io::Result<Self> {
        let name =
            target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file's path"))?;
        let mut temporary = OsString::from(PREFIX);
        if name.len() <= MOST_OF_NAME {
            temporary.push(name);
        }
        temporary.push(format!(".{}{SUFFIX}", std::process::id()));
        let path = target.with_file_name(temporary);
        Ok(Self { file: File::create(&path)?, path, target })
    }

    /// The permissions and, where that is allowed, the owner of the file that is replaced.
    fn take_after(&self, old: &Metadata) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, fchown};
            let new = self.file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                // Only root may give files away; the content is what was asked for.
                let _ = fchown(&self.file, Some(old.uid()), Some(old.gid()));
            }
        }
        self.file.set_permissions(old.permissions())
    }

    fn put_in_place(&self, content: &[u8]) -> io::Result<()> {
        match fs::rename(&self.path, &self.target) {
            // A file that is mounted by itself, into a container as a rule, can be written but not replaced.
            Err(error) if matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices) => {
                replace(OpenOptions::new().write(true).open(&self.target)?, content)
            }
            Err(error) => Err(error),
            Ok(()) => {
                // The rename itself is on the disk once the folder is. Some file systems cannot sync one; nothing is
                // lost then that was there before.
                if cfg!(unix)
                    && let Some(folder) = self.target.parent()
                {
                    let _ = File::open(folder).and_then(|folder| folder.sync_all());
                }
                Ok(())
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already where it was put in place.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_atomic(&path, b"old and long").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        fs::create_dir(&path).unwrap();
        let error = write_atomic(&path, b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        drop(Output::open(&folder.path().join("never written")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_longest_names_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        use std::process::Command;

        use super::*;

        #[test]
        fn permissions_stay_and_new_files_have_the_usual_ones() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("results.json");
            let mode = || path.metadata().unwrap().mode() & 0o7777;
            write_atomic(&path, b"old").unwrap();
            fs::write(folder.path().join("other"), "").unwrap();
            assert_eq!(mode(), folder.path().join("other").metadata().unwrap().mode() & 0o7777);
            for kept in [0o600, 0o664, 0o777] {
                fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
                write_atomic(&path, b"new").unwrap();
                assert_eq!(mode(), kept);
            }
        }

        #[test]
        fn links_stay_and_what_they_lead_to_is_written() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("elsewhere")).unwrap();
            symlink("elsewhere/target", at("second")).unwrap();
            symlink(at("second"), at("first")).unwrap();
            for content in [b"new file", b"replaced"] {
                write_atomic(&at("first"), content).unwrap();
                assert_eq!(fs::read(at("elsewhere/target")).unwrap(), content);
            }
            assert!(at("first").is_symlink() && at("second").is_symlink());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
            symlink("circle", at("circle")).unwrap();
            assert!(write_atomic(&at("circle"), b"x").is_err());
        }

        #[test]
        fn pipes_and_devices_are_written_through() {
            let folder = tempfile::tempdir().unwrap();
            let pipe = folder.path().join("pipe");
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            let reader = std::thread::spawn({
                let pipe = pipe.clone();
                move || fs::read(pipe).unwrap()
            });
            write_atomic(&pipe, b"through").unwrap();
            assert_eq!(reader.join().unwrap(), b"through");
            assert!(!pipe.metadata().unwrap().is_file());
            write_atomic(Path::new("/dev/null"), b"away").unwrap();
            if Path::new("/dev/full").exists() {
                let error = write_atomic(Path::new("/dev/full"), b"x").unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            }
        }

        #[test]
        fn names_need_not_be_utf_8() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(OsStr::from_bytes(b"r\xff.json"));
            write_atomic(&path, b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert!(is_temporary(OsStr::from_bytes(b".gac-r\xff.json.7.tmp")));
        }
    }
}
