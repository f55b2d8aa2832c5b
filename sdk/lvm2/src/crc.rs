//! LVM's checksum: CRC-32 with its own start value and no final inversion. It must not know what is summed up.

const START: u32 = 0xf597_a6cf;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut value = n as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

/// Of the parts, one after the other.
pub fn of(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(START, |sum, &byte| sum >> 8 ^ TABLE[((sum ^ u32::from(byte)) & 0xff) as usize])
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_are_summed_up_as_one() {
        assert_eq!(super::of(&[b"LVM2", b" x[5A%r0N*>"]), super::of(&[b"LVM2 x[5A%r0N*>"]));
        assert_eq!(super::of(&[]), super::START);
    }
}
