//! A shared library as two modules: the functions that recorded programs call, and the rest.
//!
//! Programs call few of a library's functions: an import of pandas, a fifth of the code it links. So a pack brings a
//! *primary* module early, which is linked in the library's place, and a *secondary* at its end, for what is called beyond
//! that. (The names are those of Binaryen's `wasm-split`, which does the same for main modules, and renumbers functions.)
//!
//! Both modules have all of the library's types, imports, globals and functions, by the same numbers, so that every body is
//! in one of them as it was, byte for byte. In the other a stub stands for it, and calls it through a table that the two
//! share: slot `n + 1` is for the function `n`, counted without imports. The primary module defines the table and fills the
//! slots of the functions that it has; the secondary one imports it and fills the others. It imports the globals as well,
//! which the linker has the primary module relocate, and has neither data nor exports nor elements of the program's own
//! table: those are the primary's, so a function has one address.
//!
//! What is shared the primary module exports under names that begin with `"wheelfs:"`, and the secondary one imports under
//! the same names from the module `"wheelfs"`: the table [`TABLE`], the globals by their numbers, imports not counted
//! (`"wheelfs:0"`). A stub of the primary module whose slot is still empty first calls slot 0, which takes and returns
//! nothing: whoever links the module puts there what instantiates the secondary one.
//!
//! What the primary module has beyond the library stands where it can be told from the rest: its type last, its exports and
//! elements first, its table in a section that a library has not. So the two can be [joined](join).

#[cfg(feature = "cli")]
mod halves;
mod warm_up;

use std::borrow::Cow;

use crate::dylink::{DylinkError, Reader, write_leb128};

#[cfg(feature = "cli")]
pub use halves::{Split, Unsplit, split};
pub use warm_up::{WARM_UP, with_warm_up};

/// Name of the shared table.
pub const TABLE: &str = "wheelfs:table";
/// Name of the module that a secondary one imports what is shared from.
const SHARED: &str = "wheelfs";

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// Sections by number, and the order in which they stand.
mod section {
    pub(super) const TYPE: u8 = 1;
    pub(super) const IMPORT: u8 = 2;
    pub(super) const FUNCTION: u8 = 3;
    pub(super) const GLOBAL: u8 = 6;
    pub(super) const ELEMENT: u8 = 9;
    pub(super) const CODE: u8 = 10;
    pub(super) const TABLE: u8 = 4;
    pub(super) const EXPORT: u8 = 7;

    pub(super) const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
}

/// A secondary module made of the whole library: it has every function, and puts those of the primary module, of which it
/// has copies, in their slots as well.
pub fn secondary_of(library: &[u8]) -> Result<Vec<u8>, DylinkError> {
    let module = Module::read(library)?;
    let functions = module.count(section::FUNCTION)?;
    module.secondary(0..functions)
}

/// The library that was split.
pub fn join(primary: &[u8], secondary: &[u8]) -> Result<Vec<u8>, DylinkError> {
    let mut module = Module::read(primary)?;
    let other = Module::read(secondary)?;
    let exports = module.globals()?.len() as u32 + 1;
    let (segments, functions) = module.own_segments()?;
    let (mut bodies, others) = (module.bodies()?, other.bodies()?);
    for ((body, other), number) in bodies.iter_mut().zip(others).zip(0..) {
        if functions.binary_search(&number).is_err() {
            *body = other;
        }
    }
    let mut code = Vec::new();
    write_leb128(&mut code, bodies.len() as u32);
    bodies.iter().for_each(|body| code.extend(*body));
    let types = module.section(section::TYPE).and_then(|types| types.strip_suffix(&LOADER_TYPE));
    let types = shortened(types.unwrap_or(&[0]), 1, &|_| Ok(()))?;
    let exports = shortened(module.payload(section::EXPORT), exports, &|reader| {
        reader.name()?;
        reader.byte()?;
        reader.u32().map(drop)
    })?;
    let elements =
        shortened(module.payload(section::ELEMENT), segments, &|reader| segment(reader).map(drop))?;
    module.put(section::TABLE, Vec::new());
    module.put(section::TYPE, types);
    module.put(section::EXPORT, exports);
    module.put(section::ELEMENT, elements);
    module.put(section::CODE, code);
    // No linker writes an empty section.
    module.sections.retain(|(_, payload)| !matches!(**payload, [] | [0]));
    Ok(module.write())
}

/// A section without `count` of its entries: those that `skip` passes over at its beginning.
fn shortened(
    payload: &[u8],
    count: u32,
    skip: &dyn Fn(&mut Reader<'_>) -> Result<(), DylinkError>,
) -> Result<Vec<u8>, DylinkError> {
    let mut reader = Reader::new(payload);
    let total = reader.u32()?.checked_sub(count).ok_or(reader.malformed())?;
    for _ in 0..count {
        skip(&mut reader)?;
    }
    let mut out = Vec::new();
    write_leb128(&mut out, total);
    out.extend(reader.rest());
    Ok(out)
}

/// Reads a segment as [`Module::fill_slots`] writes it, behind its table: the functions.
fn segment(reader: &mut Reader<'_>) -> Result<Vec<u32>, DylinkError> {
    reader.byte()?;
    reader.u32()?;
    skip_expression(reader)?;
    reader.byte()?;
    (0..reader.u32()?).map(|_| reader.u32()).collect()
}

/// A module's sections.
struct Module<'a> {
    sections: Vec<(u8, Cow<'a, [u8]>)>,
    /// How many imports there are of each [`kind`].
    imported: [u32; 5],
}

impl<'a> Module<'a> {
    fn read(bytes: &'a [u8]) -> Result<Module<'a>, DylinkError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(DylinkError::NotWasm)?;
        let mut reader = Reader::new(body);
        let mut module = Module { sections: Vec::new(), imported: [0; 5] };
        while !reader.rest().is_empty() {
            let number = reader.byte()?;
            let len = reader.u32()?;
            module.sections.push((number, reader.take(len)?.into()));
        }
        module.imported = module.count_imports()?;
        Ok(module)
    }

    /// How many imports there are of each kind.
    fn count_imports(&self) -> Result<[u32; 5], DylinkError> {
        let mut reader = Reader::new(self.payload(section::IMPORT));
        let mut imported = [0; 5];
        for _ in 0..reader.u32()? {
            reader.name()?;
            reader.name()?;
            let kind = reader.byte()?;
            match kind {
                kind::FUNCTION => drop(reader.u32()?),
                kind::TABLE => {
                    reader.byte()?;
                    limits(&mut reader)?;
                }
                kind::MEMORY => limits(&mut reader)?,
                // A global's type and mutability; a tag's attribute and type.
                kind::GLOBAL => drop(reader.take(2)?),
                kind::TAG => {
                    reader.byte()?;
                    reader.u32()?;
                }
                _ => return Err(reader.malformed()),
            }
            imported[usize::from(kind)] += 1;
        }
        Ok(imported)
    }

    /// Number of the first of this kind that is no import.
    fn first(&self, kind: u8) -> u32 {
        self.imported[usize::from(kind)]
    }

    /// Type and mutability of each global that the module defines.
    fn globals(&self) -> Result<Vec<[u8; 2]>, DylinkError> {
        let mut reader = Reader::new(self.payload(section::GLOBAL));
        let mut globals = Vec::new();
        for _ in 0..reader.u32()? {
            globals.push([reader.byte()?, reader.byte()?]);
            skip_expression(&mut reader)?;
        }
        Ok(globals)
    }

    fn section(&self, number: u8) -> Option<&[u8]> {
        self.sections.iter().find(|(found, _)| *found == number).map(|(_, payload)| &**payload)
    }

    /// The section, or one without entries.
    fn payload(&self, number: u8) -> &[u8] {
        self.section(number).unwrap_or(&[0])
    }

    /// How many entries a section has.
    fn count(&self, number: u8) -> Result<u32, DylinkError> {
        Reader::new(self.payload(number)).u32()
    }

    /// Puts a section in its place, or in that of the one there is.
    fn put(&mut self, number: u8, payload: Vec<u8>) {
        let rank = |number: u8| section::ORDER.iter().position(|known| *known == number);
        let payload = payload.into();
        // Sections of another kind stand anywhere.
        match self.sections.iter().position(|(found, _)| rank(*found) >= rank(number)) {
            Some(at) if self.sections[at].0 == number => self.sections[at].1 = payload,
            Some(at) => self.sections.insert(at, (number, payload)),
            None => self.sections.push((number, payload)),
        }
    }

    /// Appends `count` entries to a section.
    fn append(&mut self, number: u8, count: u32, entries: &[u8]) -> Result<(), DylinkError> {
        self.add(number, count, [&[], entries])
    }

    /// Puts `count` entries at a section's beginning.
    fn prepend(&mut self, number: u8, count: u32, entries: &[u8]) -> Result<(), DylinkError> {
        self.add(number, count, [entries, &[]])
    }

    fn add(&mut self, number: u8, count: u32, around: [&[u8]; 2]) -> Result<(), DylinkError> {
        let mut reader = Reader::new(self.payload(number));
        let total = reader.u32()?.checked_add(count).ok_or(reader.malformed())?;
        let mut payload = Vec::new();
        write_leb128(&mut payload, total);
        payload.extend([around[0], reader.rest(), around[1]].concat());
        self.put(number, payload);
        Ok(())
    }

    /// The functions' code, with their lengths in front.
    fn bodies(&self) -> Result<Vec<&[u8]>, DylinkError> {
        let mut reader = Reader::new(self.payload(section::CODE));
        let mut bodies = Vec::new();
        for _ in 0..reader.u32()? {
            let from = reader.rest();
            reader.name()?;
            bodies.push(&from[..from.len() - reader.rest().len()]);
        }
        Ok(bodies)
    }

    /// How many segments fill the shared table, and the functions in them, which ascend.
    fn own_segments(&self) -> Result<(u32, Vec<u32>), DylinkError> {
        let mut reader = Reader::new(self.payload(section::ELEMENT));
        let (mut count, mut functions) = (0, Vec::new());
        for _ in 0..reader.u32()? {
            let mut start = Reader::new(reader.rest());
            if start.byte()? != TABLE_SEGMENT || start.u32()? != self.first(kind::TABLE) {
                break;
            }
            let first = self.first(kind::FUNCTION);
            functions.extend(segment(&mut reader)?.into_iter().map(|function| function.wrapping_sub(first)));
            count += 1;
        }
        Ok((count, functions))
    }

    /// Fills the shared table's slots of these functions, which ascend.
    fn fill_slots(&mut self, functions: impl Iterator<Item = u32>) -> Result<(), DylinkError> {
        let mut functions = functions.peekable();
        let (mut segments, mut count) = (Vec::new(), 0);
        while let Some(first) = functions.next() {
            let mut end = first + 1;
            while functions.next_if_eq(&end).is_some() {
                end += 1;
            }
            segments.push(TABLE_SEGMENT);
            write_leb128(&mut segments, self.first(kind::TABLE));
            write_i32_const(&mut segments, first + 1);
            segments.extend([op::END, 0]);
            write_leb128(&mut segments, end - first);
            (first..end)
                .for_each(|function| write_leb128(&mut segments, self.first(kind::FUNCTION) + function));
            count += 1;
        }
        self.prepend(section::ELEMENT, count, &segments)
    }

    /// The module as a secondary one that has these functions.
    fn secondary(mut self, functions: impl Iterator<Item = u32>) -> Result<Vec<u8>, DylinkError> {
        let globals = self.globals()?;
        let kept = [section::TYPE, section::IMPORT, section::FUNCTION, section::CODE];
        self.sections.retain(|(number, _)| kept.contains(number));
        let mut imports = Vec::new();
        write_name(&mut imports, SHARED);
        write_name(&mut imports, TABLE);
        // A table of functions, of any length.
        imports.extend([kind::TABLE, FUNCREF, 0, 0]);
        for (global, number) in globals.iter().zip(0..) {
            write_name(&mut imports, SHARED);
            write_name(&mut imports, &global_name(number));
            imports.push(kind::GLOBAL);
            imports.extend(global);
        }
        self.append(section::IMPORT, globals.len() as u32 + 1, &imports)?;
        self.fill_slots(functions)?;
        Ok(self.write())
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (number, payload) in &self.sections {
            bytes.push(*number);
            write_leb128(&mut bytes, payload.len() as u32);
            bytes.extend(&**payload);
        }
        bytes
    }
}

const FUNCREF: u8 = 0x70;
const FUNCTION_TYPE: u8 = 0x60;
/// The type of a block without a result.
const NOTHING: u8 = 0x40;
/// Of what slot 0 holds: it takes and returns nothing.
const LOADER_TYPE: [u8; 3] = [FUNCTION_TYPE, 0, 0];
/// An active segment of functions for a table that it names.
const TABLE_SEGMENT: u8 = 2;

/// What is imported or exported.
mod kind {
    pub(super) const FUNCTION: u8 = 0;
    pub(super) const TABLE: u8 = 1;
    pub(super) const MEMORY: u8 = 2;
    pub(super) const GLOBAL: u8 = 3;
    pub(super) const TAG: u8 = 4;
}

mod op {
    pub(super) const IF: u8 = 0x04;
    pub(super) const END: u8 = 0x0b;
    pub(super) const GLOBAL_GET: u8 = 0x23;
    pub(super) const I32_CONST: u8 = 0x41;
    pub(super) const I64_CONST: u8 = 0x42;
    pub(super) const F32_CONST: u8 = 0x43;
    pub(super) const F64_CONST: u8 = 0x44;
    pub(super) const I32_ADD: u8 = 0x6a;
}

/// Passes over a constant expression, as linkers write them for globals.
fn skip_expression(reader: &mut Reader<'_>) -> Result<(), DylinkError> {
    loop {
        match reader.byte()? {
            op::END => return Ok(()),
            op::GLOBAL_GET | op::I32_CONST | op::I64_CONST => while reader.byte()? >= 0x80 {},
            op::F32_CONST => drop(reader.take(4)?),
            op::F64_CONST => drop(reader.take(8)?),
            op::I32_ADD => {}
            _ => return Err(reader.malformed()),
        }
    }
}

fn global_name(number: u32) -> String {
    format!("wheelfs:{number}")
}

fn limits(reader: &mut Reader<'_>) -> Result<(), DylinkError> {
    let has_maximum = reader.byte()? & 1 == 1;
    reader.u32()?;
    if has_maximum {
        reader.u32()?;
    }
    Ok(())
}

/// The instruction; its operand is signed, so a seventh bit must not be the last.
fn write_i32_const(out: &mut Vec<u8>, mut value: u32) {
    out.push(op::I32_CONST);
    while value >= 0x40 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    write_sized(out, name.as_bytes());
}

/// The length, then the bytes.
fn write_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    write_leb128(out, bytes.len() as u32);
    out.extend(bytes);
}

/// A function's parameters and results.
type Signature<'a> = (&'a [u8], &'a [u8]);

/// Of each of a module's types. All of them have to be functions'.
fn signatures(types: &[u8]) -> Result<Vec<Signature<'_>>, DylinkError> {
    let mut reader = Reader::new(types);
    let count = reader.u32()?;
    let signature = |_| match reader.byte()? {
        FUNCTION_TYPE => Ok((value_types(&mut reader)?, value_types(&mut reader)?)),
        _ => Err(reader.malformed()),
    };
    (0..count).map(signature).collect()
}

/// A list of value types. Each takes one byte: the others name types of the module.
fn value_types<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DylinkError> {
    let types = reader.name()?;
    match types.iter().all(|byte| matches!(byte, 0x6f..=0x70 | 0x7b..=0x7f)) {
        true => Ok(types),
        false => Err(reader.malformed()),
    }
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests;
