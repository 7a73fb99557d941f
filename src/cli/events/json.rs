//! An event's fields as JSON that loses nothing: 128-bit amounts are decimal
//! strings, bytes are hexadecimal strings, everything else is as named.

use std::fmt::Display;

use crowdfold_events::Event;
use serde::ser::{self, Serialize};
use serde_json::{Map, Value};

/// Name and fields of an event; `None` for what JSON has no form for, which no
/// event has.
pub(in crate::cli) fn fields(event: &Event) -> Option<(String, Value)> {
    match event.serialize(ToJson).ok()?.into_value() {
        Value::Object(one) => one.into_iter().next(),
        Value::String(name) => Some((name, Value::Object(Map::new()))),
        _ => None,
    }
}

/// What a value becomes. A byte is told from other numbers, so that a sequence
/// of bytes becomes one string.
enum Piece {
    Byte(u8),
    Value(Value),
}

impl Piece {
    fn into_value(self) -> Value {
        match self {
            Self::Byte(byte) => byte.into(),
            Self::Value(value) => value,
        }
    }
}

/// Something that JSON has no form for; a bug.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoForm(String);

impl ser::Error for NoForm {
    fn custom<T: Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

struct ToJson;

/// A sequence or the fields of a variant, and the variant's name.
struct List {
    pieces: Vec<Piece>,
    variant: Option<&'static str>,
}

/// The fields of a structure or of a variant, and the variant's name.
struct Fields {
    fields: Map<String, Value>,
    variant: Option<&'static str>,
}

type Done = Result<Piece, NoForm>;

fn value(value: impl Into<Value>) -> Done {
    Ok(Piece::Value(value.into()))
}

fn tagged(variant: Option<&'static str>, inner: Value) -> Done {
    match variant {
        None => value(inner),
        Some(name) => value(Value::Object(Map::from_iter([(name.to_owned(), inner)]))),
    }
}

impl List {
    fn new(variant: Option<&'static str>) -> Self {
        Self { pieces: Vec::new(), variant }
    }

    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NoForm> {
        self.pieces.push(item.serialize(ToJson)?);
        Ok(())
    }

    fn done(self) -> Done {
        let is_bytes = !self.pieces.is_empty() && self.pieces.iter().all(|p| matches!(p, Piece::Byte(_)));
        let inner = if is_bytes {
            let bytes = self.pieces.iter().map(|p| if let Piece::Byte(byte) = p { *byte } else { 0 });
            Value::String(format!("0x{}", hex::encode(bytes.collect::<Vec<u8>>())))
        } else {
            Value::Array(self.pieces.into_iter().map(Piece::into_value).collect())
        };
        tagged(self.variant, inner)
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident),+) => {
        $(impl ser::$trait for List {
            type Ok = Piece;
            type Error = NoForm;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), NoForm> {
                self.push(item)
            }
            fn end(self) -> Done {
                self.done()
            }
        })+
    };
}

lists!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! structures {
    ($($trait:ident),+) => {
        $(impl ser::$trait for Fields {
            type Ok = Piece;
            type Error = NoForm;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, item: &T) -> Result<(), NoForm> {
                self.fields.insert(name.to_owned(), item.serialize(ToJson)?.into_value());
                Ok(())
            }
            fn end(self) -> Done {
                tagged(self.variant, Value::Object(self.fields))
            }
        })+
    };
}

structures!(SerializeStruct, SerializeStructVariant);

macro_rules! plain {
    ($($method:ident $type:ty),+) => {
        $(fn $method(self, number: $type) -> Done {
            value(number)
        })+
    };
}

macro_rules! decimal {
    ($($method:ident $type:ty),+) => {
        $(fn $method(self, number: $type) -> Done {
            value(number.to_string())
        })+
    };
}

impl ser::Serializer for ToJson {
    type Ok = Piece;
    type Error = NoForm;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = ser::Impossible<Piece, NoForm>;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    plain!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_f32 f32, serialize_f64 f64,
        serialize_str &str
    );
    decimal!(serialize_i128 i128, serialize_u128 u128, serialize_char char);

    fn serialize_u8(self, byte: u8) -> Done {
        Ok(Piece::Byte(byte))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        value(format!("0x{}", hex::encode(bytes)))
    }

    fn serialize_none(self) -> Done {
        value(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, inner: &T) -> Done {
        inner.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        value(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        value(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        value(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, inner: &T) -> Done {
        inner.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        inner: &T,
    ) -> Done {
        tagged(Some(variant), inner.serialize(self)?.into_value())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, NoForm> {
        Ok(List::new(None))
    }

    fn serialize_tuple(self, _: usize) -> Result<List, NoForm> {
        Ok(List::new(None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, NoForm> {
        Ok(List::new(None))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<List, NoForm> {
        Ok(List::new(Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NoForm> {
        Err(NoForm("events have no maps".to_owned()))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, NoForm> {
        Ok(Fields { fields: Map::new(), variant: None })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, NoForm> {
        Ok(Fields { fields: Map::new(), variant: Some(variant) })
    }
}

#[cfg(test)]
mod tests {
    use crowdfold_events::{
        Address, ItemIndex, TaskId, Zkpow,
        event::{AccountChange, TaskKind},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_field_has_a_form_that_loses_nothing() {
        let opened = Event::TaskOpened {
            task: TaskId(3),
            kind: TaskKind::Prove { item: ItemIndex(u64::MAX) },
            segments: 2,
            base_bounty: Zkpow(u128::MAX),
            funded: Zkpow(1),
        };
        let expected = json!({
            "task": 3, "kind": { "Prove": { "item": u64::MAX } }, "segments": 2,
            "base_bounty": u128::MAX.to_string(), "funded": "1",
        });
        assert_eq!(fields(&opened).unwrap(), ("TaskOpened".to_owned(), expected));
        let beats = Event::HeartbeatsRecorded { bitmap: vec![0, 255] };
        assert_eq!(fields(&beats).unwrap().1, json!({ "bitmap": "0x00ff" }));
        let settled = Event::SettlementApplied {
            item: ItemIndex(0),
            entries: Vec::new(),
            segments: 1,
            pre_root: Default::default(),
            post_root: Default::default(),
            data_lo: Default::default(),
            env: Default::default(),
            changes: vec![AccountChange { account: Address::repeat_byte(0xab), nonce: 1, balance: Zkpow(5) }],
        };
        let fields = fields(&settled).unwrap().1;
        assert_eq!(fields["changes"][0]["account"].as_str().unwrap().to_lowercase(), format!("0x{}", "ab".repeat(20)));
        assert_eq!(fields["changes"][0]["balance"], "5");
        assert_eq!(fields["pre_root"], format!("0x{}", "00".repeat(32)));
        assert_eq!(fields["entries"], json!([]));
    }
}
