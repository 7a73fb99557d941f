use super::*;
use ff::Field;
use nova_snark::frontend::gadgets::poseidon::{Simplex, Sponge, SpongeAPI, SpongeTrait};
use proptest::prelude::*;

/// A field element from 32 arbitrary bytes.
fn scalar(bytes: [u8; 32]) -> Scalar {
    bytes.iter().fold(Scalar::ZERO, |acc, b| acc * Scalar::from(256) + Scalar::from(u64::from(*b)))
}

macro_rules! twin {
    ($name:ident, $hash:ident, $n:literal, $marker:ty) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(16))]
            #[test]
            fn $name(bytes in proptest::array::uniform::<_, $n>(any::<[u8; 32]>()), d in 0usize..Domain::ALL.len()) {
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
    let mut seen: Vec<Scalar> = Domain::ALL.iter().map(|d| hash4(*d, &[Scalar::ONE; 4])).collect();
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
                sponge.start(IOPattern(vec![SpongeOp::Absorb($n), SpongeOp::Squeeze(1)]), Some(1), acc);
                SpongeAPI::absorb(&mut sponge, $n, &x, acc);
                x[0] = SpongeAPI::squeeze(&mut sponge, 1, acc)[0];
            }
            println!("arity {}: {:?}, nova's sponge {:?}", $n, ours, start.elapsed() / 2000);
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

mod in_circuit {
    use ff::Field;
    use nova_snark::frontend::{
        AllocatedBit, ConstraintSystem, Elt, SpongeCircuit, num::AllocatedNum, test_cs::TestConstraintSystem,
    };

    use super::{
        super::gadget::{self, Gate, Input, Wire, hash4_wires},
        *,
    };
    use crate::testing::{Instance, Pin};

    macro_rules! twin {
        ($name:ident, $hash:ident, $n:literal, $marker:ty, $pin:expr) => {
            #[test]
            fn $name() {
                let inputs: [Scalar; $n] = std::array::from_fn(|i| Scalar::from(i as u64 + 3).invert().unwrap());
                let domain = Domain::Challenge;
                let instance = Instance::of(|cs| {
                    let mut numbers = Vec::new();
                    for x in inputs {
                        numbers.push(AllocatedNum::alloc(&mut *cs, || Ok(x))?);
                    }
                    let numbers = numbers.try_into().ok().unwrap();
                    Ok(gadget::$hash(&mut *cs, domain, &numbers)?.get_variable())
                });
                assert_eq!(instance.value(instance.output), $hash(domain, &inputs));
                // Inputs and digest move together; alone none may.
                instance.assert_determined(1, |_| false);
                let (constraints, non_zeros, digest) = $pin;
                let variables = constraints + $n;
                assert_eq!(instance.pin(), &Pin { constraints, variables, non_zeros, digest: String::from(digest) });

                // The same digest as in nova's circuit.
                let constants = PoseidonConstants::<Scalar, $marker>::default();
                let mut cs = TestConstraintSystem::<Scalar>::new();
                let elements = inputs.map(|x| Elt::num_from_fr::<TestConstraintSystem<Scalar>>(x));
                let mut sponge = SpongeCircuit::new_with_constants(&constants, Simplex);
                let pattern = IOPattern(vec![SpongeOp::Absorb($n), SpongeOp::Squeeze(1)]);
                let mut ns = cs.namespace(|| "sponge");
                sponge.start(pattern, Some(domain as u32), &mut ns);
                SpongeAPI::absorb(&mut sponge, $n, &elements, &mut ns);
                let theirs = SpongeAPI::squeeze(&mut sponge, 1, &mut ns)[0].val();
                assert_eq!(theirs, Some(instance.value(instance.output)));
            }
        };
    }

    twin!(arity_2, hash2, 2, U2, (237, 3_732, "8377a09b9d8dfff6"));
    twin!(arity_4, hash4, 4, U4, (290, 4_836, "0363bd699e7d0697"));
    twin!(arity_8, hash8, 8, U8, (393, 7_438, "0bc061889d06dc6a"));
    twin!(arity_24, hash24, 24, U24, (775, 29_060, "4ce00bfcede40fcf"));

    /// Constant inputs are folded and give the same digest; a closed gate makes
    /// everything zero.
    #[test]
    fn constants_and_gate() {
        for open in [true, false] {
            let instance = Instance::of(|cs| {
                let selected = cs.given(open);
                let sel = AllocatedBit::alloc(&mut *cs, selected)?;
                let x = if open { Scalar::from(9) } else { Scalar::ZERO };
                let x = AllocatedNum::alloc(&mut *cs, || Ok(x))?;
                let x = Input::Wire(Wire::of(cs, &x));
                let inputs = [x, Input::Constant(Scalar::from(5)), Input::Constant(Scalar::ZERO)];
                let inputs = [inputs[0].clone(), inputs[1].clone(), inputs[2].clone(), inputs[0].clone()];
                let digest = hash4_wires(&mut *cs, &Gate::selected(&sel), Domain::Node, &inputs)?;
                Ok(digest.allocate(&mut *cs)?.get_variable())
            });
            instance.assert_determined(1, |_| false);
            let nine = Scalar::from(9);
            let expected = hash4(Domain::Node, &[nine, Scalar::from(5), Scalar::ZERO, nine]);
            assert_eq!(instance.value(instance.output), if open { expected } else { Scalar::ZERO });
            assert_eq!(instance.non_zero_values() == 0, !open);
        }
    }
}
