//! One segment: its public inputs, the chain, the squeezes, the products over the bus.

use super::*;

#[test]
fn the_segments_that_the_forgeries_start_from_are_satisfied() {
    for given in [Given::idle(), Given::first(), Given::last()] {
        assert_passes(&given.leaf());
    }
}

#[test]
fn bus_rule_6_flags_are_boolean() {
    let mut first = Given::first().leaf();
    first.x[FIRST] = Scalar::from(2);
    assert_refused_only_by("first = 2", &first, "boolean");
    let mut last = Given::last().leaf();
    last.x[LAST] = Scalar::from(2);
    assert_refused_only_by("last = 2", &last, "boolean");
}

#[test]
fn bus_rule_6_the_first_segment_starts_from_the_statement() {
    let one = Scalar::ONE;
    let pre = StatementIndex::Pre as usize;
    let forgeries: [(&str, Given, &str); 5] = [
        (
            "another pre-state root",
            Given::first().with(|g| {
                g.start.statement.elements[pre] += one;
                g.h_in = statement_chain(&g.start.statement);
            }),
            "equal when",
        ),
        ("a later phase", Given::first().with(|g| g.start.phase = one), "zero when"),
        ("a later operation", Given::first().with(|g| g.start.next_seq = one), "zero when"),
        ("another chain", Given::first().with(|g| g.h_in += one), "equal when"),
        ("a bus that is not empty", Given::first().with(|g| g.bus_in = one), "zero when"),
    ];
    for (what, given, row) in forgeries {
        assert_refused_only_by(what, &given.leaf(), row);
        // The same is nothing to a segment in the middle.
        assert_passes(&given.with(|g| g.start.first = false).leaf());
    }
}

/// Every element of the statement reaches the chain of the first segment.
#[test]
fn bus_rule_6_the_chain_begins_with_every_element_of_the_statement() {
    for i in 0..STATEMENT_LEN {
        if i == StatementIndex::Pre as usize {
            continue; // has a row of its own as well
        }
        let given = Given::first().with(|g| g.start.statement.elements[i] += Scalar::ONE);
        assert_refused_only_by(&format!("element {i}"), &given.leaf(), "equal when");
    }
}

#[test]
fn bus_rule_6_the_last_segment_ends_in_the_statement() {
    let one = Scalar::ONE;
    let post = StatementIndex::Post as usize;
    let honest = bus::challenges(Given::last().leaf().x[H_OUT]);
    let forgeries: [(&str, Given, &str); 6] = [
        ("another post-state root", Given::last().with(|g| g.start.statement.elements[post] += one), "equal when"),
        ("phase 0", Given::last().with(|g| g.start.phase = Scalar::ZERO), "the last segment ends in phase 2"),
        ("phase 1", Given::last().with(|g| g.start.phase = one), "the last segment ends in phase 2"),
        ("another gamma", Given::last().with(|g| g.challenges = Some((honest.0 + one, honest.1))), "equal when"),
        ("another beta", Given::last().with(|g| g.challenges = Some((honest.0, honest.1 + one))), "equal when"),
        ("an unbalanced bus", Given::last().with(|g| g.bus_in = one), "zero when"),
    ];
    for (what, given, row) in forgeries {
        assert_refused_only_by(what, &given.leaf(), row);
        assert_passes(&given.with(|g| g.start.last = false).leaf());
    }
}

/// γ and β are different squeezes of the chain's end: neither may be the other.
#[test]
fn bus_rule_1_the_challenges_are_two_different_squeezes() {
    let (gamma, beta) = bus::challenges(Given::last().leaf().x[H_OUT]);
    assert_ne!(gamma, beta);
    for forged in [(gamma, gamma), (beta, beta)] {
        assert_refused_only_by("twice", &Given::last().with(|g| g.challenges = Some(forged)).leaf(), "equal when");
    }
    let swapped = Given::last().with(|g| g.challenges = Some((beta, gamma))).leaf();
    assert_eq!(broken(&swapped).len(), 2);
}

/// A prover who could choose the tag could draw challenges until he likes them.
#[test]
fn bus_rule_1_the_tags_of_the_squeezes_are_constants() {
    let h = Given::last().leaf().x[H_OUT];
    let tags = rows_named("tag is its constant");
    assert_eq!(tags.len(), 2);
    for (which, &row) in tags.iter().enumerate() {
        let tag = Scalar::from(99);
        let forged = poseidon::hash2(Domain::Challenge, &[h, tag]);
        let (gamma, beta) = bus::challenges(h);
        let challenges = if which == 0 { (forged, beta) } else { (gamma, forged) };
        let mut leaf = Given::last().with(|g| g.challenges = Some(challenges)).leaf();
        leaf.w[variables(row)[0][0]] = tag;
        let (values, squeezed) = private([h, tag], |cs, inputs| {
            poseidon::gadget::hash2(cs.namespace(|| "squeeze"), Domain::Challenge, &inputs)
        });
        assert_eq!(squeezed, forged);
        splice(&mut leaf, (row + 1..).take_while(|&row| names()[row].starts_with("squeeze/")), &values);
        assert_refused_only_by("tag 99", &leaf, "tag is its constant");
    }
}

/// The public values after a segment are those that its slots computed.
#[test]
fn bus_rule_6_the_values_after_a_segment_are_computed() {
    let one = Scalar::ONE;
    for (what, at) in [("phase", AFTER), ("sequence", AFTER + 1)] {
        let mut leaf = Given::idle().leaf();
        leaf.x[at] += one;
        assert_refused_only_by(what, &leaf, "equal");
    }
    // Root and leaf count are hashed behind the row that binds them.
    for (what, at) in [("root", AFTER + 2), ("leaf count", AFTER + 3)] {
        let mut leaf = Given::idle().leaf();
        leaf.x[at] += one;
        let (values, _) = state_root(leaf.x[AFTER + 2], leaf.x[AFTER + 3], Scalar::ZERO);
        splice(&mut leaf, rows_under("post/").into_iter(), &values);
        assert_refused_only_by(what, &leaf, "equal");
    }
    assert_refused_only_by("chain", &Given::idle().with(|g| g.h_out = Some(one)).leaf(), "equal");
    let mut leaf = Given::idle().leaf();
    leaf.x[BUS_OUT] += one;
    assert_refused_only_by("bus", &leaf, "bus after is the sum");
}

/// What fills a hash up is zero: a free filling would be a second preimage.
#[test]
fn bus_rule_2_the_filling_of_every_hash_is_zero() {
    for side in ["pre", "post"] {
        let mut leaf = Given::idle().leaf();
        let (values, _) = state_root(leaf.x[BEFORE + 2], leaf.x[BEFORE + 3], Scalar::from(6));
        splice(&mut leaf, rows_under(&format!("{side}/")).into_iter(), &values);
        assert_refused_only_by(side, &leaf, &format!("{side}/zero"));
    }
    let zeros = rows_named("zero");
    assert_eq!(zeros.len(), 2, "statement and ports");
    let filling = Scalar::from(6);

    // The statement's chain: another filling, another chain, which h_in then is.
    let statement = Given::first().start.statement.elements;
    let (values, other) = {
        let mut cs = SatisfyingAssignment::<Engine>::new();
        let mut input = |value| AllocatedNum::alloc_input(&mut cs, || Ok(value)).unwrap();
        let mut inputs: Vec<_> = statement.into_iter().map(&mut input).collect();
        inputs.resize(bus::ABSORB_RATE + 1, input(filling));
        let inputs: [_; bus::ABSORB_RATE + 1] = inputs.try_into().map_err(|_| "length").unwrap();
        let digest = poseidon::gadget::hash24(cs.namespace(|| "statement"), Domain::Statement, &inputs).unwrap();
        (cs.aux_assignment().to_vec(), digest.get_value().unwrap())
    };
    let mut leaf = Given::first().with(|g| g.h_in = other).leaf();
    leaf.w[variables(zeros[0])[0][0]] = filling;
    splice(&mut leaf, rows_under("statement/").into_iter(), &values);
    assert_refused_only_by("statement", &leaf, "zero");

    // The last group of ports.
    let last = (0..).take_while(|i| !rows_under(&format!("absorb {i}/")).is_empty()).last().unwrap();
    let honest = Given::idle().leaf();
    let rows = rows_under(&format!("absorb {last}/"));
    let zero = variables(zeros[1])[0][0];
    // The chain before the last group is the digest that the group before allocated.
    let before = if last == 0 {
        honest.x[H_OUT - 1]
    } else {
        let rows = rows_under(&format!("absorb {}/", last - 1));
        honest.w[rows.into_iter().flat_map(|row| variables(row).concat()).max().unwrap()]
    };
    let used = rows.iter().flat_map(|&row| variables(row).concat()).collect::<BTreeSet<_>>();
    assert!(used.contains(&zero), "the last group is filled up");
    let fillings = bus::ABSORB_RATE - port_elements() % bus::ABSORB_RATE;
    assert_eq!(absorb_idle(before, fillings, Scalar::ZERO).1, honest.x[H_OUT]);
    let (values, h) = absorb_idle(before, fillings, filling);
    let mut leaf = Given::idle().with(|g| g.h_out = Some(h)).leaf();
    leaf.w[zero] = filling;
    splice(&mut leaf, rows.into_iter(), &values);
    assert_refused_only_by("ports", &leaf, "zero");
}

/// One group of an idle segment: zeros, then fillings.
fn absorb_idle(h: Scalar, fillings: usize, filling: Scalar) -> (Vec<Scalar>, Scalar) {
    let mut inputs = [Scalar::ZERO; bus::ABSORB_RATE + 1];
    inputs[0] = h;
    inputs[bus::ABSORB_RATE + 1 - fillings..].fill(filling);
    private(inputs, |cs, inputs| poseidon::gadget::hash24(cs.namespace(|| "absorb"), Domain::Bus, &inputs))
}

/// Selectors and payload elements of all ports: one product per element, one
/// inverse per port.
fn port_elements() -> usize {
    rows_named("product").len() + rows_named("inverse times denominator is the selector").len()
}

#[test]
fn bus_rule_2_products_and_inverses_are_constrained() {
    // The last product of each port is the one that the denominator takes.
    let honest = Given::idle().leaf();
    let products = rows_named("product");
    for row in products {
        if names().get(row + 1).map(String::as_str) == Some("inverse times denominator is the selector") {
            let mut leaf = honest.clone();
            leaf.w[variables(row)[2][0]] += Scalar::ONE;
            assert_refused_only_by("product", &leaf, "product");
        }
    }
    for row in rows_named("inverse times denominator is the selector") {
        let mut leaf = honest.clone();
        leaf.w[variables(row)[0][0]] += Scalar::ONE;
        // The sum follows the inverse, with whichever sign it has.
        let mut names = BTreeMap::new();
        for delta in [Scalar::ONE, -Scalar::ONE] {
            let mut leaf = leaf.clone();
            leaf.x[BUS_OUT] += delta;
            let rows: Vec<&str> = broken(&leaf).into_iter().map(|(_, name)| name).collect();
            names.insert(rows.len(), rows);
        }
        assert_eq!(names[&1], ["inverse times denominator is the selector"]);
    }
}

/// Every selector of a slot is boolean by a row of its own; the others are
/// differences and products of these (settlement, curve, transfer: see there).
#[test]
fn bus_rule_2_selectors_are_boolean() {
    for (name, slots) in [
        ("keccak selector", 1),
        ("curve selector", 1),
        ("tree selector", TREE_SLOTS),
        ("transfer selector", 1),
        ("settlement selector", 1),
        ("settlement starts", 1),
        ("settlement ends", 1),
    ] {
        let rows = rows_named(&format!("{name}/boolean constraint"));
        assert_eq!(rows.len(), slots, "{name}");
        for row in rows {
            let mut leaf = Given::idle().leaf();
            leaf.w[variables(row)[1][0]] = Scalar::from(2);
            assert!(broken(&leaf).iter().any(|(index, _)| *index == row), "{name}");
        }
    }
}
