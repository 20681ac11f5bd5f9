//! Small parquet files of rows written down as JSON.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::Value;

/// Writes rows of texts, whole numbers, and lists and structs of them. The first row says what the columns are.
pub(crate) fn write(path: &Path, rows: &[Value]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let fields = rows[0].as_object().unwrap().iter().map(|(name, value)| field(name, value)).collect();
    let schema = Type::group_type_builder("rows").with_fields(fields).build().unwrap();
    let mut file = SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema), Arc::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut leaves = Vec::new();
    for row in rows {
        shred(row, (0, 0), &mut leaves, &mut 0);
    }
    for leaf in leaves {
        let mut column = group.next_column().unwrap().unwrap();
        let levels = (Some(leaf.definitions.as_slice()), Some(leaf.repetitions.as_slice()));
        if leaf.values.iter().all(Value::is_i64) {
            let values: Vec<i64> = leaf.values.iter().filter_map(Value::as_i64).collect();
            column.typed::<Int64Type>().write_batch(&values, levels.0, levels.1).unwrap();
        } else {
            let values: Vec<ByteArray> = leaf.values.iter().map(|value| value.as_str().unwrap().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&values, levels.0, levels.1).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
}

fn field(name: &str, value: &Value) -> TypePtr {
    let group = |logical, repetition, fields| {
        let builder = Type::group_type_builder(name).with_logical_type(logical);
        builder.with_repetition(repetition).with_fields(fields).build().unwrap()
    };
    let leaf = |physical, logical| {
        let builder = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        builder.with_repetition(Repetition::REQUIRED).build().unwrap()
    };
    Arc::new(match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| field(name, value)).collect();
            group(None, Repetition::REQUIRED, fields)
        }
        Value::Array(items) => {
            let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
            let list = list.with_fields(vec![field("element", &items[0])]).build().unwrap();
            group(Some(LogicalType::List), Repetition::REQUIRED, vec![Arc::new(list)])
        }
        Value::Number(_) => leaf(Physical::INT64, None),
        _ => leaf(Physical::BYTE_ARRAY, Some(LogicalType::String)),
    })
}

/// One column as it is stored: its values, and for each how deep it is defined and what it repeats.
#[derive(Default)]
struct Leaf {
    values: Vec<Value>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// Adds `value` to the columns from `at` on: what it repeats, and how many lists it is in.
fn shred(value: &Value, (repeats, depth): (i16, i16), leaves: &mut Vec<Leaf>, at: &mut usize) {
    match value {
        Value::Object(fields) => {
            for value in fields.values() {
                shred(value, (repeats, depth), leaves, at);
            }
        }
        Value::Array(items) => {
            let first = *at;
            for (index, item) in items.iter().enumerate() {
                *at = first;
                let repeats = if index == 0 { repeats } else { depth + 1 };
                shred(item, (repeats, depth + 1), leaves, at);
            }
        }
        leaf => {
            if leaves.len() == *at {
                leaves.push(Leaf::default());
            }
            leaves[*at].values.push(leaf.clone());
            leaves[*at].definitions.push(depth);
            leaves[*at].repetitions.push(repeats);
            *at += 1;
        }
    }
}
