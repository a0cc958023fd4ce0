use wasmparser::{Parser, Payload, Validator};

use super::halves::MAX_LEN;
use super::*;

const NOP: u8 = 0x01;

/// A library in the shape of Emscripten's, with `cold` bytes of code at least in each of its functions 2 and 3. Of the
/// others the first calls one of those, the second is shorter than any stub.
fn library(cold: usize) -> Vec<u8> {
    library_with(cold, "", "bytes")
}

/// `short`: what its shortest function does.
fn library_with(cold: usize, short: &str, data: &str) -> Vec<u8> {
    let long = "(drop (i32.const 7))".repeat(cold / 3 + 1);
    wat::parse_str(format!(
        r#"(module
            (@custom "dylink.0" (before first) "\01\04\10\02\00\00")
            (type $binary (func (param i32 f64) (result i64)))
            (import "env" "memory" (memory 1))
            (import "env" "__indirect_function_table" (table 1 funcref))
            (import "env" "__memory_base" (global $base i32))
            (import "GOT.mem" "somewhere" (global (mut i32)))
            (import "env" "elsewhere" (func $elsewhere (type $binary)))
            (global $own (mut i32) (i32.const 16))
            (global $half f64 (f64.const 0.5))
            (func $first (export "first") (type $binary)
                (call $third (local.get 0) (local.get 1)))
            (func $short {short})
            (func $third (type $binary)
                {long}
                (global.set $own (i32.add (global.get $own) (global.get $base)))
                (call $elsewhere (local.get 0) (local.get 1)))
            (func $fourth (param v128) {long} (call $short))
            (export "own" (global $own))
            (elem (global.get $base) func $fourth $first)
            (data (global.get $base) "{data}"))"#
    ))
    .unwrap()
}

/// A library whose functions 2 and 3 have so many bytes of code.
fn of_length(cold: usize) -> Vec<u8> {
    let library = library(1);
    let mut module = Module::read(&library).unwrap();
    let mut code = vec![4];
    for (body, number) in bodies(&library).iter().zip(0..) {
        let [_len, _no_locals, rest @ ..] = &body[..] else { panic!("a body without locals") };
        let body = [&[0], &vec![NOP; if number < 2 { 0 } else { cold }][..], rest].concat();
        write_leb128(&mut code, body.len() as u32);
        code.extend(body);
    }
    module.put(section::CODE, code);
    module.write()
}

/// The bodies of a module's functions.
fn bodies(module: &[u8]) -> Vec<Vec<u8>> {
    Module::read(module).unwrap().bodies().unwrap().into_iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn a_function_is_in_one_module_as_it_was() {
    let library = library(5000);
    let Split { primary, secondary } = split(&library, &[0]).unwrap();
    let (whole, first, rest) = (bodies(&library), bodies(&primary), bodies(&secondary));
    let is_in = |number: usize| (first[number] == whole[number], rest[number] == whole[number]);
    assert_eq!([0, 1, 2, 3].map(is_in), [(true, false), (true, false), (false, true), (false, true)]);
    assert!(
        primary.len() < library.len() / 10 && primary.starts_with(&library[..20]),
        "dylink.0 comes first"
    );
    assert_eq!(join(&primary, &secondary).unwrap(), library);
}

#[test]
fn what_is_shared_has_the_same_names_in_both() {
    let Split { primary, secondary } = split(&library(5000), &[0]).unwrap();
    let (mut exported, mut imported) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&primary) {
        if let Payload::ExportSection(exports) = payload.unwrap() {
            exported.extend(exports.into_iter().map(|export| export.unwrap().name.to_owned()));
        }
    }
    for payload in Parser::new(0).parse_all(&secondary) {
        match payload.unwrap() {
            Payload::ImportSection(imports) => {
                let imports = imports.into_imports().map(|import| import.unwrap());
                let shared = imports.filter(|import| import.module == SHARED);
                imported.extend(shared.map(|import| import.name.to_owned()));
            }
            Payload::ExportSection(_) | Payload::DataSection(_) | Payload::GlobalSection(_) => {
                panic!("the primary module's")
            }
            _ => {}
        }
    }
    assert_eq!(exported, [TABLE, "wheelfs:0", "wheelfs:1", "first", "own"]);
    assert_eq!(imported, [TABLE, "wheelfs:0", "wheelfs:1"]);
}

#[test]
fn a_secondary_module_can_be_made_of_the_whole_library() {
    let library = library(5000);
    let made = secondary_of(&library).unwrap();
    Validator::new().validate_all(&made).unwrap();
    assert_eq!(bodies(&made), bodies(&library));
}

#[test]
fn a_warm_up_calls_what_the_primary_module_has() {
    let library = library(5000);
    let Split { primary, secondary } = split(&library, &[0, 2]).unwrap();
    let warm = with_warm_up(&primary).unwrap();
    Validator::new().validate_all(&warm).unwrap();
    let (cold, warm_bodies) = (bodies(&primary), bodies(&warm));
    let guard = Module::read(&warm).unwrap().imported[usize::from(kind::GLOBAL)] as u8 + 2;
    // Length, no locals, and what returns at once.
    let [_, 0, rest @ ..] = &cold[0][..] else { panic!("a body without locals") };
    let guarded = [&[0, 0x23, guard, 0x04, 0x40, 0x42, 0, 0x0f, op::END], rest].concat();
    assert_eq!(warm_bodies[0], [&[guarded.len() as u8], &guarded[..]].concat());
    assert_ne!(warm_bodies[1], cold[1], "short, and so it is there");
    assert_eq!(warm_bodies[3], cold[3], "a stub");
    // Set; each of the three, its result dropped; reset. Of imports there is one.
    let [set, reset] = [1, 0].map(|value| [0x41, value, 0x24, guard]);
    let first = [0x41, 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0x1a];
    let third = [&first[..12], &[3, 0x1a]].concat();
    let calls = [&[0], &set[..], &first, &[0x10, 2], &third, &reset, &[op::END]].concat();
    assert_eq!(warm_bodies[4], [&[calls.len() as u8], &calls[..]].concat());

    for other in [&library[..], &secondary, &primary[..primary.len() / 2], b"\x7fELF"] {
        assert!(with_warm_up(other).is_none());
    }
}

#[test]
fn what_stays_whole() {
    let wat = |text: &str| wat::parse_str(text).unwrap();
    assert!(matches!(split(&library(5000), &[0, 4]), Err(Unsplit::Function { number: 4, count: 4 })));
    assert!(matches!(split(&library(1000), &[0]), Err(Unsplit::TooLittle { .. })));
    assert!(matches!(split(&library(5000), &[0, 2, 3]), Err(Unsplit::TooLittle { rest: 0 })));
    let much_data = library_with(5000, "", &"x".repeat(MAX_LEN));
    assert!(matches!(split(&much_data, &[0]), Err(Unsplit::TooLarge { .. })));
    // Either half is short enough, but not what is made of both when a call comes too soon.
    let much_code = of_length(MAX_LEN / 2);
    assert!(matches!(split(&much_code, &[0, 2]), Err(Unsplit::TooLarge { len }) if len < MAX_LEN + 1_000));
    assert!(split(&of_length(MAX_LEN / 100), &[0, 2]).is_ok());
    // That has no data, so no function may name any.
    let names_data = library_with(5000, "(data.drop 0)", "bytes");
    Validator::new().validate_all(&names_data).unwrap();
    assert!(matches!(split(&names_data, &[0, 1]), Err(Unsplit::Invalid(_))));
    for (text, defines) in [
        ("(module (memory 1))", "memories"),
        ("(module (table 1 funcref))", "tables"),
        ("(module (tag))", "exceptions"),
    ] {
        assert!(
            matches!(split(&wat(text), &[]), Err(Unsplit::Defines { what }) if what == defines),
            "{text}"
        );
    }
    assert!(matches!(split(b"\x7fELF", &[]), Err(Unsplit::Invalid(_) | Unsplit::Malformed(_))));

    // The length of the last section, of data, written with a byte more than it takes.
    let mut padded = library(5000);
    let data = [11, 11, 1, 0, 0x23, 0, op::END, 5, b'b', b'y', b't', b'e', b's'];
    let at = padded.windows(data.len()).position(|window| window == data).unwrap();
    padded.splice(at + 1..at + 2, [0x8b, 0]);
    assert!(matches!(split(&padded, &[0]), Err(Unsplit::Unusual)));
}

#[test]
fn damage_is_an_error() {
    let library = library(5000);
    let Split { primary, secondary } = split(&library, &[0]).unwrap();
    for len in (0..library.len()).step_by(7) {
        // A prefix that ends with a section is a module of fewer sections.
        let _ = secondary_of(&library[..len]);
    }
    for len in (0..primary.len()).step_by(3) {
        let _ = with_warm_up(&primary[..len]);
        assert_ne!(join(&primary[..len], &secondary).ok(), Some(library.clone()), "{len}");
    }
    for len in (0..secondary.len()).step_by(7) {
        assert_ne!(join(&primary, &secondary[..len]).ok(), Some(library.clone()), "{len}");
    }
    assert!(secondary_of(b"\x7fELF").is_err());
}
