//! Channel binding: the hash of a server's certificate that SCRAM-SHA-256-PLUS proves (RFC 5929, tls-server-end-point).
//! It must not know TLS itself, which the host does.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// The certificate's hash, by the algorithm that its signature uses (SHA-256 where that is MD5 or SHA-1). None where the
/// algorithm is not known: then there is no binding.
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let oid = signature_algorithm(certificate)?;
    if let Some([kind]) = oid.strip_prefix(RSA) {
        return match kind {
            4 | 5 | 11 => Some(Sha256::digest(certificate).to_vec()),
            12 => Some(Sha384::digest(certificate).to_vec()),
            13 => Some(Sha512::digest(certificate).to_vec()),
            _ => None,
        };
    }
    match oid.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(Sha256::digest(certificate).to_vec()),
        [3, 3] => Some(Sha384::digest(certificate).to_vec()),
        [3, 4] => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, … }, … }
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (body, _) = element(certificate, 0x30)?;
    let (_, rest) = element(body, 0x30)?;
    let (algorithm, _) = element(rest, 0x30)?;
    Some(element(algorithm, 0x06)?.0)
}

/// Content of the DER element at the start, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first().filter(|_| found == tag)?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_signature_and_what_is_cut_short_has_none() {
        let certificate = |oid: &[u8]| {
            let mut der = vec![
                0x30,
                (2 + 4 + oid.len()) as u8,
                0x30,
                0x00,
                0x30,
                (2 + oid.len()) as u8,
                0x06,
                oid.len() as u8,
            ];
            der.extend(oid);
            der
        };
        let rsa_sha384 = certificate(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 12]);
        assert_eq!(end_point(&rsa_sha384).unwrap().len(), 48);
        let ed25519 = certificate(&[0x2b, 0x65, 0x70]);
        assert_eq!(end_point(&ed25519), None);
        for end in 0..rsa_sha384.len() {
            assert_eq!(end_point(&rsa_sha384[..end]), None);
        }
    }
}
