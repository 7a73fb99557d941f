//! Folding and proving: from satisfied segments to one small proof.
//!
//! ```text
//! LeafWitness ──commit──▶ LeafInstance (comm_W, X)
//!      │ prove_item                         │ verify_item
//!      ▼                                    ▼
//! ItemProof {comm_W, comm_T, root}   VerifiedNode ──check_canonical
//!                                           │ NodeWitness::from_leaves
//!                     prove_aggregate ◀─────┘
//!                           ▼
//! AggregateProof {comm_T, root} ──verify_aggregate / verify_tree──▶ VerifiedNode
//! ```
//!
//! Everything is generic over one R1CS shape; what the public inputs mean is
//! another module's business. There is no IO, clock or randomness here, and no
//! thread but rayon's inside arithmetic on vectors. Equal inputs give equal bytes.
//!
//! # Rules
//!
//! * A verifier builds every leaf as (comm_W, X) with u = 1, comm_E = O, from
//!   public inputs that it computed itself. Instances of inner nodes are folded
//!   from leaves and cross-terms; no type of an instance has an encoding.
//! * One function draws the challenge of a fold, for both sides ([`transcript`]).
//!   It hashes both instances whole, so a fold binds its complete history.
//! * Lengths are checked where values enter; then nothing indexes, truncates or
//!   panics. nova-snark's own folding (which zips to the shorter length) is not
//!   used, its Spartan verifier only after every length was checked.
//! * Commitments are unblinded, so canonical witnesses have canonical commitments.
//! * A proof is identified by its statement, never by its bytes: Spartan proofs of
//!   one statement need not be unique.
//!
//! # Why a root proof covers every leaf
//!
//! Setting: the algebraic group model, where a prover that outputs a group element
//! also knows it as a combination of the elements that it was given, and Keccak as
//! a random oracle. Let n = 2^k be the size of the shape, F the scalar field, and
//! p ≤ 6/2^256 the largest probability of one value of a challenge.
//!
//! *Commitments.* The prover was given tau^i·G for i below some N (n, or more when
//! a ceremony's higher powers are public) and tau·H. Hence each point P that it
//! names comes with a polynomial f_P of degree < N such that P = f_P(tau)·G, fixed
//! when P is named. Sums of points have the sums of the polynomials. Two
//! polynomials for one point would give tau as a root of their difference: excluded
//! by the q-strong-discrete-logarithm assumption. So a "committed vector" is well
//! defined and folds linearly. Infinity is the point of the zero polynomial and
//! needs no exception.
//!
//! *Root.* Spartan with HyperKZG is a proof of knowledge in this model: if the root
//! instance U = (comm_W, comm_E, u, X) is accepted then, except with probability
//! O(k + n)/|F| per oracle query, the polynomials of comm_W and comm_E are vectors
//! W and E of length n with `Az∘Bz = u·Cz + E` for z = (W, u, X). HyperKZG itself
//! has no degree check, but its opening point is drawn after both commitments and
//! U were hashed: after its k foldings a polynomial of degree ≥ n leaves a rest
//! whose coefficients are multilinear in that point, zero for few points only. (An
//! adversary who may choose the point first can make them vanish.) The parts of
//! degree ≥ n of the leaves' polynomials fold like all others, so they cancel in
//! the root for at most one value of each challenge: the leaves' committed
//! vectors have length n as well.
//!
//! *One fold.* Let U = U₁ + r·U₂ with cross-term commitment P_T, where U₁, U₂ and
//! P_T were all hashed to give r. Their vectors W₁, W₂, E₁, E₂, T were thus fixed
//! before r. If U is satisfied by the folded vectors,
//!
//! ```text
//! (Az₁ + rAz₂)∘(Bz₁ + rBz₂) = (u₁ + r·u₂)(Cz₁ + rCz₂) + E₁ + r·T + r²·E₂
//! ```
//!
//! holds: in each row a polynomial identity of degree 2 in r. If it fails as an
//! identity in some row, at most two r satisfy that row, which happens with
//! probability at most 2p per oracle query. Otherwise the coefficients agree:
//! that of r⁰ says that U₁ is satisfied, that of r² that U₂ is, and that of r that
//! T is the true cross-term (so accepted cross-terms are pinned as well).
//!
//! *Induction.* Going down from the root, every fold passes satisfaction from a
//! node to its running and incoming instance, to the leaves. A leaf has u = 1 and
//! comm_E = O; O has the zero polynomial, so E = 0 and `Az∘Bz = Cz`: strict R1CS
//! with the public inputs X that the verifier chose. A union bound over the folds
//! of a tree (at most 2^16 leaves) and the prover's oracle queries q gives a total
//! error of about q·2^16·2p.
//!
//! *The order of the hashes* matters twice. r hashes the running instance itself,
//! not only its history, and the running instance is a function of what was hashed
//! before: so all of a node's commitments are fixed before the last challenge. And
//! the domain, the verifying key, the kind and the position of the step make
//! oracle inputs of different folds different, so a challenge answered for one
//! place is of no use in another.
//!
//! *u = 0 at the root* would not break the argument above, but a contract divides
//! the root by u; it is refused here so that both accept the same proofs.
//!
//! *Items inside aggregates.* The folds of an item are the same whether it stands
//! alone or in a tree, so an accepted item's cross-terms serve again. Its own root
//! proof is not needed then: the tree's root covers its leaves.

pub mod aggregate;
pub mod canonical;
pub mod codec;
pub mod curve;
pub mod error;
pub mod fold;
pub mod item;
pub mod key;
pub mod node;
pub mod params;
mod powers;
pub mod root;
pub mod shape;
#[cfg(test)]
#[allow(unreachable_pub)]
mod synthetic;
#[cfg(test)]
mod tests;
pub mod transcript;
pub mod witness;
