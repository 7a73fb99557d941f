use super::*;
use ff::Field;
use nova_snark::frontend::gadgets::poseidon::{Simplex, Sponge, SpongeAPI, SpongeTrait};
use proptest::prelude::*;

/// A field element from 32 arbitrary bytes.
fn scalar(bytes: [u8; 32]) -> Scalar {
    bytes.iter().fold(Scalar::ZERO, |acc, b| {
        acc * Scalar::from(256) + Scalar::from(u64::from(*b))
    })
}

macro_rules! twin {
    ($name:ident, $hash:ident, $n:literal, $marker:ty) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(16))]
            #[test]
            fn $name(bytes in proptest::array::uniform::<_, $n>(any::<[u8; 32]>()), d in 0usize..8) {
                let inputs = bytes.map(scalar);
                let domain = Domain::ALL[d];
                let constants = PoseidonConstants::<Scalar, $marker>::default();
                let mut sponge = Sponge::new_with_constants(&constants, Simplex);
                let acc = &mut ();
                let pattern = IOPattern(vec![SpongeOp::Absorb($n), SpongeOp::Squeeze(1)]);
                sponge.start(pattern, Some(domain as u32), acc);
                SpongeAPI::absorb(&mut sponge, $n, &inputs, acc);
                let expected = SpongeAPI::squeeze(&mut sponge, 1, acc)[0];
                prop_assert_eq!($hash(domain, &inputs), expected);
            }
        }
    };
}

twin!(arity_2_equals_nova, hash2, 2, U2);
twin!(arity_4_equals_nova, hash4, 4, U4);
twin!(arity_8_equals_nova, hash8, 8, U8);
twin!(arity_24_equals_nova, hash24, 24, U24);

#[test]
fn domains_do_not_meet() {
    let mut seen: Vec<Scalar> = Domain::ALL
        .iter()
        .map(|d| hash4(*d, &[Scalar::ONE; 4]))
        .collect();
    seen.push(hash2(Domain::Leaf, &[Scalar::ONE; 2]));
    for i in 0..seen.len() {
        for j in 0..i {
            assert_ne!(seen[i], seen[j]);
        }
    }
    for (i, domain) in Domain::ALL.iter().enumerate() {
        assert_eq!(domain.slot(), i);
    }
}

/// `cargo test -p crowdfold-zk --release poseidon::tests::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    macro_rules! run {
        ($hash:ident, $n:literal, $marker:ty) => {
            let mut x = [Scalar::from(7); $n];
            $hash(Domain::Node, &x);
            let start = std::time::Instant::now();
            for _ in 0..2000 {
                x[0] = $hash(Domain::Node, &x);
            }
            let ours = start.elapsed() / 2000;
            let constants = PoseidonConstants::<Scalar, $marker>::default();
            let start = std::time::Instant::now();
            for _ in 0..2000 {
                let mut sponge = Sponge::new_with_constants(&constants, Simplex);
                let acc = &mut ();
                sponge.start(
                    IOPattern(vec![SpongeOp::Absorb($n), SpongeOp::Squeeze(1)]),
                    Some(1),
                    acc,
                );
                SpongeAPI::absorb(&mut sponge, $n, &x, acc);
                x[0] = SpongeAPI::squeeze(&mut sponge, 1, acc)[0];
            }
            println!(
                "arity {}: {:?}, nova's sponge {:?}",
                $n,
                ours,
                start.elapsed() / 2000
            );
        };
    }
    run!(hash2, 2, U2);
    run!(hash4, 4, U4);
    run!(hash8, 8, U8);
    run!(hash24, 24, U24);
    let x = Scalar::from(3);
    let mut y = x;
    let start = std::time::Instant::now();
    for _ in 0..1_000_000 {
        y *= x;
    }
    println!("multiplication: {:?} {y:?}", start.elapsed() / 1_000_000);
}
