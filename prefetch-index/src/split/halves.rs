use std::collections::BTreeSet;

use thiserror::Error;
use wasmparser::{Parser, Payload, Validator};

use super::{
    FUNCREF, LOADER_TYPE, Module, NOTHING, TABLE, global_name, join, kind, op, secondary_of, section,
    signatures, write_i32_const, write_name, write_sized,
};
use crate::dylink::{DylinkError, Reader, write_leb128};

/// Chromium's main thread compiles no more at once (`kMaxBufferSize` of V8's `WebAssembly.Module`).
pub(super) const MAX_LEN: usize = 8 << 20;
/// Bytes of code below which a second module is not worth a file of its own.
const MIN_REST: usize = 4 << 10;

const CALL_INDIRECT: u8 = 0x11;
const LOCAL_GET: u8 = 0x20;
const TABLE_GET: u8 = 0x25;
const REF_IS_NULL: u8 = 0xd1;

/// The two modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What is linked in the library's place.
    pub primary: Vec<u8>,
    /// The functions that it lacks.
    pub secondary: Vec<u8>,
}

/// Why a library stays whole.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unsplit {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] DylinkError),
    /// The trace has functions that it has not.
    #[error("function {number} was called, of {count}")]
    Function {
        /// From 0, without imports.
        number: u32,
        /// How many there are.
        count: u32,
    },
    /// It has something that two modules cannot each have.
    #[error("it defines {what} of its own")]
    Defines {
        /// In the plural.
        what: &'static str,
    },
    /// Nearly all of its functions are called.
    #[error("{rest} bytes of functions would be left")]
    TooLittle {
        /// Bytes of code.
        rest: usize,
    },
    /// A module of it could not be compiled where nothing can wait: a half, or [`secondary_of`] it.
    #[error("a module of {len} bytes, Chromium compiles at most {MAX_LEN} at once")]
    TooLarge {
        /// Of the largest one.
        len: usize,
    },
    /// Its lengths are not written in the shortest way, so it could not be put together again.
    #[error("it is not written as linkers write it")]
    Unusual,
    /// What came of it is no valid module. [`secondary_of`] a library whose functions name its data is none.
    #[error("a module of it is not valid: {0}")]
    Invalid(wasmparser::BinaryReaderError),
}

/// Splits a library. `called`: the functions that the primary module is to have, in any order, by their numbers without
/// imports.
pub fn split(library: &[u8], called: &[u32]) -> Result<Split, Unsplit> {
    check(library)?;
    let module = Module::read(library)?;
    let functions = Functions::read(&module)?;
    let count = functions.bodies.len() as u32;
    if let Some(&number) = called.iter().find(|&&number| number >= count) {
        return Err(Unsplit::Function { number, count });
    }
    let called: BTreeSet<u32> = called.iter().copied().collect();
    // A function that is no longer than its stub stays.
    let stays = |number: u32| {
        called.contains(&number)
            || functions.bodies[number as usize].len() <= functions.stub(number, true).len()
    };
    let (here, rest): (Vec<u32>, Vec<u32>) = (0..count).partition(|number| stays(*number));
    let left = rest.iter().map(|number| functions.bodies[*number as usize].len()).sum();
    if left < MIN_REST {
        return Err(Unsplit::TooLittle { rest: left });
    }
    let here: BTreeSet<u32> = here.into_iter().collect();
    let primary = functions.primary(&here)?;
    let secondary = functions.secondary(&here)?;
    // What a call that comes before the secondary module has made of the library, at once.
    let made = secondary_of(library)?;
    let modules = [&primary, &secondary, &made];
    let len = modules.iter().map(|module| module.len()).max().unwrap_or_default();
    if len > MAX_LEN {
        return Err(Unsplit::TooLarge { len });
    }
    for module in modules {
        Validator::new().validate_all(module).map_err(Unsplit::Invalid)?;
    }
    if join(&primary, &secondary)? != library {
        return Err(Unsplit::Unusual);
    }
    Ok(Split { primary, secondary })
}

/// Whether nothing of it would be there twice. (What linkers start a library with relocates globals. It was called, and so all
/// that it calls, or there would be no trace.)
fn check(library: &[u8]) -> Result<(), Unsplit> {
    for payload in Parser::new(0).parse_all(library) {
        let what = match payload.map_err(Unsplit::Invalid)? {
            Payload::TableSection(tables) if tables.count() > 0 => "tables",
            Payload::MemorySection(memories) if memories.count() > 0 => "memories",
            Payload::TagSection(tags) if tags.count() > 0 => "exceptions",
            _ => continue,
        };
        return Err(Unsplit::Defines { what });
    }
    Ok(())
}

/// A module's functions, imports excepted.
struct Functions<'a> {
    module: &'a Module<'a>,
    /// Number of parameters of each type.
    params: Vec<u32>,
    types: Vec<u32>,
    /// With their lengths in front.
    bodies: Vec<&'a [u8]>,
}

impl<'a> Functions<'a> {
    fn read(module: &'a Module<'a>) -> Result<Functions<'a>, DylinkError> {
        let signatures = signatures(module.payload(section::TYPE))?;
        let params: Vec<u32> = signatures.iter().map(|(params, _)| params.len() as u32).collect();
        let mut reader = Reader::new(module.payload(section::FUNCTION));
        let mut types = Vec::new();
        for _ in 0..reader.u32()? {
            let number = reader.u32()?;
            if number as usize >= params.len() {
                return Err(reader.malformed());
            }
            types.push(number);
        }
        let bodies = module.bodies()?;
        if bodies.len() != types.len() {
            return Err(reader.malformed());
        }
        Ok(Functions { module, params, types, bodies })
    }

    /// What stands for a function where it is not. `loads`: it may be called before the module that has the function is there.
    fn stub(&self, number: u32, loads: bool) -> Vec<u8> {
        let (table, slot) = (self.module.first(kind::TABLE), number + 1);
        let mut code = vec![0];
        let call_indirect = |code: &mut Vec<u8>, slot, function_type| {
            write_i32_const(code, slot);
            code.push(CALL_INDIRECT);
            write_leb128(code, function_type);
            write_leb128(code, table);
        };
        if loads {
            write_i32_const(&mut code, slot);
            code.push(TABLE_GET);
            write_leb128(&mut code, table);
            code.extend([REF_IS_NULL, op::IF, NOTHING]);
            call_indirect(&mut code, 0, self.params.len() as u32);
            code.push(op::END);
        }
        let function_type = self.types[number as usize];
        for param in 0..self.params[function_type as usize] {
            code.push(LOCAL_GET);
            write_leb128(&mut code, param);
        }
        call_indirect(&mut code, slot, function_type);
        code.push(op::END);
        let mut body = Vec::new();
        write_sized(&mut body, &code);
        body
    }

    /// The code section that has some of the functions, and stubs for the others.
    fn code(&self, has: impl Fn(u32) -> bool, loads: bool) -> Vec<u8> {
        let mut payload = Vec::new();
        write_leb128(&mut payload, self.bodies.len() as u32);
        for (body, number) in self.bodies.iter().zip(0..) {
            match has(number) {
                true => payload.extend(*body),
                false => payload.extend(self.stub(number, loads)),
            }
        }
        payload
    }

    fn primary(&self, here: &BTreeSet<u32>) -> Result<Vec<u8>, DylinkError> {
        let mut module = Module { sections: self.module.sections.clone(), ..*self.module };
        module.append(section::TYPE, 1, &LOADER_TYPE)?;
        let mut table = vec![1, FUNCREF, 0];
        write_leb128(&mut table, self.bodies.len() as u32 + 1);
        module.put(section::TABLE, table);
        let mut exports = Vec::new();
        let mut export = |name: &str, kind, number| {
            write_name(&mut exports, name);
            exports.push(kind);
            write_leb128(&mut exports, number);
        };
        export(TABLE, kind::TABLE, module.first(kind::TABLE));
        let globals = module.globals()?.len() as u32;
        for number in 0..globals {
            export(&global_name(number), kind::GLOBAL, module.first(kind::GLOBAL) + number);
        }
        module.prepend(section::EXPORT, globals + 1, &exports)?;
        module.fill_slots(here.iter().copied())?;
        module.put(section::CODE, self.code(|number| here.contains(&number), true));
        Ok(module.write())
    }

    fn secondary(&self, elsewhere: &BTreeSet<u32>) -> Result<Vec<u8>, DylinkError> {
        let mut module = Module { sections: self.module.sections.clone(), ..*self.module };
        let has = |number: u32| !elsewhere.contains(&number);
        module.put(section::CODE, self.code(has, false));
        module.secondary((0..self.bodies.len() as u32).filter(|number| has(*number)))
    }
}
