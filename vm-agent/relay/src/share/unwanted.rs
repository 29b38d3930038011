//! Files and folders that the host opened for a process that was killed meanwhile: the kernel never hears of them, so nobody else closes them.

/// Opcodes (`enum fuse_opcode`).
const FORGET: u32 = 2;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const OPEN_DIRECTORY: u32 = 27;
const RELEASE_DIRECTORY: u32 = 29;
const CREATE: u32 = 35;

/// Lengths of `fuse_in_header`, `fuse_out_header`, `fuse_entry_out` and `fuse_release_in`.
const IN_HEADER: usize = 40;
const OUT_HEADER: usize = 16;
const ENTRY: usize = 128;
const RELEASE_IN: usize = 24;

pub(super) fn opens(opcode: u32) -> bool {
    [OPEN, OPEN_DIRECTORY, CREATE].contains(&opcode)
}

/// The requests that undo what `answer` says of `request`; none if nothing was opened. Their numbers are those of the kernel's own
/// interrupts of the request (`FUSE_INT_REQ_BIT`), which the host never sees.
pub(super) fn closing(request: &[u8], answer: &[u8]) -> Vec<Vec<u8>> {
    undone(request, answer).unwrap_or_default()
}

fn undone(request: &[u8], answer: &[u8]) -> Option<Vec<Vec<u8>>> {
    let four = |of: &[u8], at: usize| Some(u32::from_le_bytes(*of.get(at..)?.first_chunk()?));
    let eight = |of: &[u8], at: usize| Some(u64::from_le_bytes(*of.get(at..)?.first_chunk()?));
    if four(answer, 4)? != 0 {
        return None;
    }
    let (opcode, unique) = (four(request, 4)?, eight(request, 8)? | 1);
    if !opens(opcode) {
        return None;
    }
    let (node, opened) = match opcode {
        CREATE => (eight(answer, OUT_HEADER)?, OUT_HEADER + ENTRY),
        _ => (eight(request, 16)?, OUT_HEADER),
    };
    let mut release = eight(answer, opened)?.to_le_bytes().to_vec();
    release.resize(RELEASE_IN, 0);
    let closes = if opcode == OPEN_DIRECTORY { RELEASE_DIRECTORY } else { RELEASE };
    let mut undo = vec![message(closes, unique, node, &release)];
    if opcode == CREATE {
        // The name was looked up by it, too.
        undo.push(message(FORGET, unique, node, &1_u64.to_le_bytes()));
    }
    Some(undo)
}

fn message(opcode: u32, unique: u64, node: u64, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(IN_HEADER + body.len()).expect("a few bytes");
    let mut message = [length.to_le_bytes(), opcode.to_le_bytes()].concat();
    message.extend([unique.to_le_bytes(), node.to_le_bytes()].concat());
    message.resize(IN_HEADER, 0);
    message.extend_from_slice(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32) -> Vec<u8> {
        message(opcode, 6, 5, b"what is asked")
    }

    fn answer(error: i32, body: &[u64]) -> Vec<u8> {
        let mut answer = [0_u32.to_le_bytes(), error.to_le_bytes(), [6, 0, 0, 0], [0; 4]].concat();
        answer.extend(body.iter().flat_map(|number| number.to_le_bytes()));
        answer
    }

    #[test]
    fn each_is_closed_by_its_own_kind() {
        let mut handle = 77_u64.to_le_bytes().to_vec();
        handle.resize(RELEASE_IN, 0);
        assert_eq!(closing(&request(OPEN), &answer(0, &[77, 0])), [message(RELEASE, 7, 5, &handle)]);
        assert_eq!(
            closing(&request(OPEN_DIRECTORY), &answer(0, &[77, 0])),
            [message(RELEASE_DIRECTORY, 7, 5, &handle)]
        );
        // A new file's node is in the answer.
        let created: Vec<u64> = [&[9][..], &[0; 15], &[77, 0]].concat();
        let forgotten = message(FORGET, 7, 9, &1_u64.to_le_bytes());
        assert_eq!(closing(&request(CREATE), &answer(0, &created)), [message(RELEASE, 7, 9, &handle), forgotten]);
    }

    #[test]
    fn what_was_not_opened_is_not_closed() {
        for (opcode, answer) in
            [(OPEN, answer(-2, &[])), (OPEN, answer(0, &[])), (CREATE, answer(0, &[9])), (OPEN, Vec::new())]
        {
            assert_eq!(closing(&request(opcode), &answer), [] as [Vec<u8>; 0]);
        }
    }
}
