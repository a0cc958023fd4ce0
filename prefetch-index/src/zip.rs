//! Reading zip archives over byte ranges: the decoder names the range it wants and never reads.
//!
//! One file per on-disk structure of PKWARE's APPNOTE 6.3.10. A member that cannot be used is set aside with its reason
//! ([`CentralDirectory::refused`]); a broken directory refuses the archive as a whole.

mod error;

mod bytes;

mod eocd;

mod name;

mod central;

mod local;

mod decode;

pub(crate) use bytes::{u32_at, u64_at};
pub use central::{CentralDirectory, Entry, EntryKind, Method};
pub use decode::{DecodeError, MemberStream, decode_member};
pub(crate) use decode::{inflate_exactly, is_plausible};
pub use eocd::CentralDirectoryReader;
pub use error::{NameProblem, ZipError};
pub use local::data_offset;
pub(crate) use name::check_name;
