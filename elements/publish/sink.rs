//! Where the lines go: a file, standard output, or a socket.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// How long a write may go without looking whether it has been given up.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What a blocking pipe that polls writable takes without blocking (POSIX PIPE_BUF, at least 512; 4096 on Linux).
const PIPE_BUF: usize = 4096;

/// What `location` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    Unix(PathBuf),
    File(PathBuf),
}

impl Target {
    pub(super) fn parse(location: &str) -> Self {
        match location.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None if location == "-" => Self::Stdout,
            None => Self::File(location.into()),
        }
    }

    /// What a person can do about a failed open.
    pub(super) fn advice(&self, error: &io::Error) -> &'static str {
        match (self, error.kind()) {
            (Self::Stdout, _) => "Start the process with standard output open, or set another location.",
            (Self::Unix(_), io::ErrorKind::PermissionDenied) => "Let this user write to the socket.",
            (Self::Unix(_), _) => "Start the process that listens on this socket first.",
            (Self::File(_), io::ErrorKind::NotFound) => "Make the folder first, or set another location.",
            (Self::File(_), io::ErrorKind::IsADirectory) => "Add the name of a file to the location.",
            (Self::File(_), _) if Errno::from_io_error(error) == Some(Errno::NXIO) => {
                "Start the reader of this pipe first."
            }
            (Self::File(_), _) => "Set a location that this user may write.",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An open target.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    /// Not only a regular file: any descriptor that takes `write(2)`.
    file: File,
}

impl Sink {
    /// Opens `target`, a file truncated. A named pipe without a reader is an error, not a wait.
    pub(super) fn open(target: Target) -> io::Result<Self> {
        Ok(Self { file: open(&target)?, target })
    }

    /// True when a lost target may come back.
    pub(super) fn can_reopen(&self) -> bool {
        matches!(self.target, Target::Unix(_))
    }

    /// Opens the target once more, without waiting.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.target)?;
        Ok(())
    }

    /// Writes `bytes` whole, or fails soon after `give_up` is set.
    pub(super) fn write_all(&self, mut bytes: &[u8], give_up: &AtomicBool) -> io::Result<()> {
        while !bytes.is_empty() {
            if !self.writable()? {
                if give_up.load(Ordering::Acquire) {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing"));
                }
                continue;
            }
            match (&self.file).write(self.portion(bytes)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Waits a little; false when the reader has not taken anything meanwhile. A dead target is writable: the
    /// write then tells what is wrong with it.
    fn writable(&self) -> io::Result<bool> {
        match poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&PATIENCE)) {
            Ok(n) => Ok(n > 0),
            Err(Errno::INTR) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Standard output is shared with the process, so it cannot be made non-blocking.
    fn portion<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let limit = if self.target == Target::Stdout { PIPE_BUF } else { bytes.len() };
        &bytes[..limit.min(bytes.len())]
    }
}

fn open(target: &Target) -> io::Result<File> {
    match target {
        Target::Stdout => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Target::Unix(path) => connected(path).map(File::from),
        Target::File(path) => File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path),
    }
}

fn connected(path: &PathBuf) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &address)?;
    Ok(socket)
}
