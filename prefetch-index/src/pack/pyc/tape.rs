//! The file that is walked through.

use super::Unfit;

/// The file as far as it was walked through: known in full while packing, growing while unpacking.
pub(super) enum Tape<'t> {
    /// Being packed; and how far.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the packing side makes one"))]
    File(&'t [u8], usize),
    /// Being unpacked; and how long it may become.
    Output(Vec<u8>, usize),
}

impl Tape<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Tape::File(_, at) => *at,
            Tape::Output(output, _) => output.len(),
        }
    }

    /// How many bytes may still come.
    pub(super) fn room(&self) -> usize {
        match self {
            Tape::File(file, at) => file.len() - at,
            Tape::Output(output, limit) => limit - output.len(),
        }
    }

    /// The bytes still to come. Unpacking they are not known: nothing.
    pub(super) fn rest(&self) -> &[u8] {
        match self {
            Tape::File(file, at) => &file[*at..],
            Tape::Output(..) => &[],
        }
    }

    /// Walks over `bytes`, which the walk so far says come next.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        match self {
            Tape::File(file, at) => {
                if !file[*at..].starts_with(bytes) {
                    return Err(Unfit);
                }
                *at += bytes.len();
            }
            Tape::Output(output, limit) => {
                if bytes.len() > *limit - output.len() {
                    return Err(Unfit);
                }
                output.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    /// The next byte, if there should be one: what the coder is asked to code, and of no matter when it decodes.
    pub(super) fn peek(&self, encodes: bool) -> Result<u8, Unfit> {
        if encodes { self.rest().first().copied().ok_or(Unfit) } else { Ok(0) }
    }

    /// The next four bytes.
    pub(super) fn peek_word(&self, encodes: bool) -> Result<u32, Unfit> {
        match self.rest().first_chunk() {
            Some(&word) if encodes => Ok(u32::from_le_bytes(word)),
            None if encodes => Err(Unfit),
            _ => Ok(0),
        }
    }

    /// Packing: whether all of it was walked through. Unpacking: whether it has the length it should have.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Tape::File(file, at) => *at == file.len(),
            Tape::Output(output, limit) => output.len() == *limit,
        }
    }

    pub(super) fn into_output(self) -> Vec<u8> {
        match self {
            Tape::File(..) => Vec::new(),
            Tape::Output(output, _) => output,
        }
    }
}
