//! A log of records: LevelDB's format (its `doc/log_format.md`) with W&B's header and the checksums of zlib.

use super::protobuf::ProtoMessage;

/// `:W&B`, the magic number `0xBEE1` and version 0.
const HEADER: [u8; 7] = [b':', b'W', b'&', b'B', 0xE1, 0xBE, 0];
/// A block; records do not cross its end in one piece. The header is part of the first.
const BLOCK: usize = 32_768;
/// Checksum, length and kind in front of a piece.
const PIECE_HEADER: usize = 7;

/// Which piece of a record it is.
#[derive(Clone, Copy)]
enum RecordPiece {
    Whole = 1,
    First = 2,
    Middle = 3,
    Last = 4,
}

/// Records one behind the other.
pub(super) struct RecordLog(Vec<u8>);

impl RecordLog {
    pub(super) fn new() -> Self {
        Self(HEADER.to_vec())
    }

    /// Adds a record, in as many pieces as there are blocks that it reaches into.
    pub(super) fn add(&mut self, record: &ProtoMessage) {
        let mut rest = record.as_bytes();
        let mut is_first = true;
        loop {
            let left = BLOCK - self.0.len() % BLOCK;
            if left < PIECE_HEADER {
                self.0.resize(self.0.len() + left, 0);
                continue;
            }
            let (piece, more) = rest.split_at(rest.len().min(left - PIECE_HEADER));
            let kind = match (is_first, more.is_empty()) {
                (true, true) => RecordPiece::Whole,
                (true, false) => RecordPiece::First,
                (false, false) => RecordPiece::Middle,
                (false, true) => RecordPiece::Last,
            };
            self.piece(kind, piece);
            if more.is_empty() {
                return;
            }
            (rest, is_first) = (more, false);
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn piece(&mut self, kind: RecordPiece, piece: &[u8]) {
        let kind = kind as u8;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&[kind]);
        checksum.update(piece);
        self.0.extend_from_slice(&checksum.finalize().to_le_bytes());
        self.0.extend_from_slice(&(piece.len() as u16).to_le_bytes());
        self.0.push(kind);
        self.0.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_what_wandb_writes() {
        // `scripts/export/wandb_reader.py --fixture`: wandb's own messages and zlib.
        let mut log = RecordLog::new();
        log.add(&ProtoMessage::default().number(1, 1).message(18, &ProtoMessage::default()));
        assert_eq!(hex::encode(log.into_bytes()), "3a572642e1be007d03de150500010801920100");
    }

    #[test]
    fn a_record_that_reaches_over_blocks_is_pieces_none_of_which_crosses_an_end() {
        let long = ProtoMessage::default().text(1, &"a".repeat(2 * BLOCK));
        let mut log = RecordLog::new();
        // Leaves four bytes in the first block, too few for a piece.
        let filling = BLOCK - HEADER.len() - PIECE_HEADER - 4 - 4;
        log.add(&ProtoMessage::default().text(1, &"b".repeat(filling)));
        log.add(&long);
        let bytes = log.into_bytes();
        assert_eq!(&bytes[BLOCK - 4..BLOCK], [0; 4]);
        let (mut at, mut kinds, mut record) = (BLOCK, Vec::new(), Vec::new());
        while at < bytes.len() {
            let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
            assert!(at / BLOCK == (at + PIECE_HEADER + length - 1) / BLOCK);
            kinds.push(bytes[at + 6]);
            record.extend_from_slice(&bytes[at + PIECE_HEADER..at + PIECE_HEADER + length]);
            at += PIECE_HEADER + length;
        }
        assert_eq!(kinds, [2, 3, 4]);
        assert_eq!(record, long.as_bytes());
    }
}
