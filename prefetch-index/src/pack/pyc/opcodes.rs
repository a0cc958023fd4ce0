//! What the model of a `.pyc` knows of CPython's instructions.
//!
//! None of it has to be right for a pack to be exact: it only says what is likely. An inline cache that is not where
//! these tables put it makes a file one that is packed as it is.

/// An instruction's operation, as far as it matters here. `(n)`: its argument is an index shifted left by `n` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Other,
    /// Like `Other`, with an argument.
    WithArgument,
    Jump,
    /// A jump on the top of the stack, or dropping it.
    Test,
    LoadLocal,
    LoadTwoLocals,
    LoadName(u8),
    LoadConst,
    LoadSmallInt,
    StoreLocal,
    StoreName,
    OtherLocal,
    OtherName,
    Attribute(u8),
    SuperAttribute(u8),
    StoreAttribute,
    /// Pops so many besides its arguments.
    Call(u8),
    CallUnpacked,
    KeywordNames,
    Binary,
    Subscript,
    Slice,
    StoreSubscript,
    StoreSlice,
    /// A display of so many items: the argument is multiplied and added to.
    Build(u8, u8),
    BuildSlice,
    Append,
    Return,
    ReturnConst,
    /// A prefix operator of so many characters.
    Unary(u8),
    /// Replaces the top.
    Replace,
    /// Pushes beside the top.
    Push,
    Iterate,
    MakeFunction,
    Import,
}

use Operation::*;

/// An interpreter's instructions.
pub(super) struct Instructions {
    /// The first two bytes of a `.pyc`, little-endian.
    pub(super) magic: u16,
    pub(super) extended_argument: u8,
    /// Instruction, inline cache entries, what it does; others are `Other` up to `no_argument`, then `WithArgument`.
    known: &'static [(u8, u8, Operation)],
    /// The first instruction with an argument.
    arguments_from: u8,
}

impl Instructions {
    /// Those of the interpreter that wrote a `.pyc`.
    pub(super) fn of_magic(magic: u16) -> Option<&'static Instructions> {
        [&PYTHON_3_12, &PYTHON_3_14].into_iter().find(|instructions| instructions.magic == magic)
    }

    /// Cache entries and operation of each instruction.
    pub(super) fn table(&self) -> [(u8, Operation); 256] {
        let mut table = [(0, Other); 256];
        for entry in &mut table[usize::from(self.arguments_from)..] {
            entry.1 = WithArgument;
        }
        for &(instruction, caches, operation) in self.known {
            table[usize::from(instruction)] = (caches, operation);
        }
        table
    }
}

/// CPython 3.12: `Lib/opcode.py`.
static PYTHON_3_12: Instructions = Instructions {
    magic: 3531,
    extended_argument: 144,
    arguments_from: 90,
    known: &[
        (1, 0, Test),
        (2, 0, Push),
        (11, 0, Unary(1)),
        (12, 0, Unary(4)),
        (15, 0, Unary(1)),
        (25, 1, Subscript),
        (26, 0, Slice),
        (27, 0, StoreSlice),
        (60, 1, StoreSubscript),
        (68, 0, Replace),
        (83, 0, Return),
        (90, 0, StoreName),
        (91, 0, OtherName),
        (92, 1, WithArgument),
        (93, 1, Iterate),
        (95, 4, StoreAttribute),
        (96, 0, OtherName),
        (97, 0, StoreName),
        (98, 0, OtherName),
        (100, 0, LoadConst),
        (101, 0, LoadName(0)),
        (102, 0, Build(1, 0)),
        (103, 0, Build(1, 0)),
        (104, 0, Build(1, 0)),
        (105, 0, Build(2, 0)),
        (106, 9, Attribute(1)),
        (107, 1, Binary),
        (108, 0, Import),
        (109, 0, OtherName),
        (110, 0, Jump),
        (114, 0, Test),
        (115, 0, Test),
        (116, 4, LoadName(1)),
        (117, 0, Binary),
        (118, 0, Binary),
        (120, 0, Push),
        (121, 0, ReturnConst),
        (122, 1, Binary),
        (123, 1, Jump),
        (124, 0, LoadLocal),
        (125, 0, StoreLocal),
        (126, 0, OtherLocal),
        (127, 0, LoadLocal),
        (128, 0, Test),
        (129, 0, Test),
        (132, 0, MakeFunction),
        (133, 0, BuildSlice),
        (134, 0, Jump),
        (135, 0, OtherLocal),
        (136, 0, LoadLocal),
        (137, 0, LoadLocal),
        (138, 0, StoreLocal),
        (139, 0, OtherLocal),
        (140, 0, Jump),
        (141, 1, SuperAttribute(2)),
        (142, 0, CallUnpacked),
        (143, 0, LoadLocal),
        (145, 0, Append),
        (146, 0, Append),
        (156, 0, Build(1, 1)),
        (157, 0, Build(1, 0)),
        (162, 0, Append),
        (163, 0, Append),
        (164, 0, Append),
        (165, 0, Append),
        (171, 3, Call(2)),
        (172, 0, KeywordNames),
        (175, 0, OtherName),
        (176, 0, OtherLocal),
    ],
};

/// CPython 3.14: `Lib/_opcode_metadata.py` and `Lib/opcode.py`.
static PYTHON_3_14: Instructions = Instructions {
    magic: 3627,
    extended_argument: 69,
    arguments_from: 44,
    known: &[
        (1, 0, Slice),
        (4, 0, CallUnpacked),
        (16, 0, Replace),
        (23, 0, MakeFunction),
        (31, 0, Test),
        (33, 0, Push),
        (35, 0, Return),
        (37, 0, StoreSlice),
        (38, 1, StoreSubscript),
        (39, 3, Replace),
        (40, 0, Unary(1)),
        (41, 0, Unary(1)),
        (42, 0, Unary(4)),
        (44, 5, Binary),
        (46, 0, Build(1, 0)),
        (47, 0, Build(2, 0)),
        (48, 0, Build(1, 0)),
        (49, 0, BuildSlice),
        (50, 0, Build(1, 0)),
        (51, 0, Build(1, 0)),
        (52, 3, Call(2)),
        (55, 3, Call(3)),
        (56, 1, Binary),
        (57, 1, Binary),
        (59, 0, Push),
        (61, 0, OtherName),
        (62, 0, OtherLocal),
        (63, 0, OtherLocal),
        (64, 0, OtherName),
        (65, 0, OtherName),
        (66, 0, Append),
        (67, 0, Append),
        (70, 1, Iterate),
        (72, 0, OtherName),
        (73, 0, Import),
        (74, 0, Binary),
        (75, 1, Jump),
        (76, 0, Jump),
        (77, 0, Jump),
        (78, 0, Append),
        (79, 0, Append),
        (80, 9, Attribute(1)),
        (82, 0, LoadConst),
        (83, 0, LoadLocal),
        (84, 0, LoadLocal),
        (85, 0, LoadLocal),
        (86, 0, LoadLocal),
        (87, 0, LoadTwoLocals),
        (88, 0, LoadLocal),
        (89, 0, LoadTwoLocals),
        (90, 0, OtherLocal),
        (91, 0, OtherName),
        (92, 4, LoadName(1)),
        (93, 0, LoadName(0)),
        (94, 0, LoadSmallInt),
        (96, 1, SuperAttribute(2)),
        (97, 0, OtherLocal),
        (100, 1, Test),
        (101, 1, Test),
        (102, 1, Test),
        (103, 1, Test),
        (106, 1, Jump),
        (107, 0, Append),
        (109, 0, Append),
        (110, 4, StoreAttribute),
        (111, 0, StoreLocal),
        (112, 0, StoreLocal),
        (115, 0, StoreName),
        (116, 0, StoreName),
        (119, 1, WithArgument),
    ],
};
