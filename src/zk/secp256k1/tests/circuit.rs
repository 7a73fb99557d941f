//! The whole slot: completeness, sizes, ports, sweeps.

use super::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn assert_proven(signed: &Signed) {
    let plan = signed.plan().unwrap();
    let chunks = plan.chunks();
    for (i, chunk) in chunks.iter().enumerate() {
        let (z, ports) = synthesize(chunk);
        let failures = shape().failures(&z);
        assert!(failures.is_empty(), "part {i}: {:?}", &failures[..failures.len().min(10)]);
        let values = |v: &[nova_snark::frontend::num::AllocatedNum<Scalar>]| -> Vec<Scalar> {
            v.iter().map(|n| n.get_value().unwrap()).collect()
        };
        assert_eq!(values(&ports.state_in.1), chunk.state_in());
        assert_eq!(values(&ports.state_out.1), chunk.state_out());
        assert_eq!(values(&ports.sig.1), chunk.sig());
        let flag = |b: bool| Some(Scalar::from(u64::from(b)));
        assert_eq!(ports.state_in.0.get_value(), flag(i > 0));
        assert_eq!(ports.state_out.0.get_value(), flag(i + 1 < PARTS));
        assert_eq!(ports.sig.0.get_value(), flag(i == 0));
        if i > 0 {
            assert_eq!(chunks[i - 1].state_out(), chunk.state_in());
        }
    }
}

#[test]
fn random_signatures_are_proven() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..4 {
        assert_proven(&random_signature(&mut rng));
    }
}
