use super::{LOADER_TYPE, Module, NOTHING, kind, op, section, signatures, write_name, write_sized};
use crate::dylink::{DylinkError, Reader, write_leb128};

/// Name of the function that calls all others.
pub const WARM_UP: &str = "wheelfs:warm-up";

const RETURN: u8 = 0x0f;
const CALL: u8 = 0x10;
const DROP: u8 = 0x1a;
const GLOBAL_SET: u8 = 0x24;
const I32: u8 = 0x7f;
const MUTABLE: u8 = 1;

/// A primary module whose functions can be compiled before they are needed.
///
/// V8 compiles a function when it is first called, and keeps the code with the module, for all threads that have it. So this
/// module has one function more, exported as [`WARM_UP`], which takes and returns nothing and calls all those that the primary
/// module has. Each of them first looks at a global, which only that function sets, and returns at once. Otherwise the module
/// is the same. `None`: this is no primary module.
///
/// An instance to call it in may have anything for imports. What linkers have an instance start with relocates its globals.
pub fn with_warm_up(primary: &[u8]) -> Option<Vec<u8>> {
    make(primary).ok().flatten()
}

fn make(primary: &[u8]) -> Result<Option<Vec<u8>>, DylinkError> {
    let mut module = Module::read(primary)?;
    let (_, here) = module.own_segments()?;
    let types = module.section(section::TYPE).unwrap_or_default().to_vec();
    if here.is_empty() || !types.ends_with(&LOADER_TYPE) {
        return Ok(None);
    }
    let signatures = signatures(&types)?;
    let guard = module.first(kind::GLOBAL) + module.globals()?.len() as u32;
    let first = module.first(kind::FUNCTION);
    let mut here = here.into_iter().peekable();
    let (mut code, mut calls) = (Vec::new(), vec![0]);
    set(&mut calls, guard, 1);
    let bodies = module.bodies()?;
    let mut functions = Reader::new(module.payload(section::FUNCTION));
    let count = functions.u32()?;
    write_leb128(&mut code, count + 1);
    for (body, number) in bodies.into_iter().zip(0..) {
        let signature = signatures.get(functions.u32()? as usize);
        let (params, results) = *signature.ok_or(functions.malformed())?;
        let constants = zeros(params).zip(zeros(results));
        let guarded = match constants.filter(|_| here.next_if_eq(&number).is_some()) {
            Some((arguments, values)) => {
                calls.extend(arguments);
                calls.push(CALL);
                write_leb128(&mut calls, first + number);
                calls.extend(results.iter().map(|_| DROP));
                Some(guarded(body, guard, &values)?)
            }
            None => None,
        };
        code.extend(guarded.as_deref().unwrap_or(body));
    }
    set(&mut calls, guard, 0);
    calls.push(op::END);
    write_sized(&mut code, &calls);
    let mut function_type = Vec::new();
    write_leb128(&mut function_type, signatures.len() as u32 - 1);
    let mut export = Vec::new();
    write_name(&mut export, WARM_UP);
    export.push(kind::FUNCTION);
    write_leb128(&mut export, first + count);
    module.append(section::FUNCTION, 1, &function_type)?;
    module.append(section::GLOBAL, 1, &[I32, MUTABLE, op::I32_CONST, 0, op::END])?;
    module.append(section::EXPORT, 1, &export)?;
    module.put(section::CODE, code);
    Ok(Some(module.write()))
}

/// A constant 0 of each type; `None`: there is one that is no number.
fn zeros(types: &[u8]) -> Option<Vec<u8>> {
    let mut code = Vec::new();
    for value_type in types {
        let (constant, len) = match value_type {
            0x7f => (op::I32_CONST, 1),
            0x7e => (op::I64_CONST, 1),
            0x7d => (op::F32_CONST, 4),
            0x7c => (op::F64_CONST, 8),
            _ => return None,
        };
        code.push(constant);
        code.resize(code.len() + len, 0);
    }
    Some(code)
}

fn set(code: &mut Vec<u8>, global: u32, value: u8) {
    code.extend([op::I32_CONST, value, GLOBAL_SET]);
    write_leb128(code, global);
}

/// The body, which returns `values` where the global is set.
fn guarded(body: &[u8], guard: u32, values: &[u8]) -> Result<Vec<u8>, DylinkError> {
    let body = Reader::new(body).name()?;
    let mut reader = Reader::new(body);
    for _ in 0..reader.u32()? {
        // So many of that type. All types that `split` takes are one byte.
        reader.u32()?;
        reader.byte()?;
    }
    let code = reader.rest();
    let mut guarded = body[..body.len() - code.len()].to_vec();
    guarded.push(op::GLOBAL_GET);
    write_leb128(&mut guarded, guard);
    guarded.extend([op::IF, NOTHING]);
    guarded.extend(values);
    guarded.extend([RETURN, op::END]);
    guarded.extend(code);
    let mut out = Vec::new();
    write_sized(&mut out, &guarded);
    Ok(out)
}
