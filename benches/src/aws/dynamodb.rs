//! DynamoDB, in this process.

use anyhow::Result;
use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};

use crate::template::TABLE;

/// The database.
pub struct Dynamo(Database);

/// An answer, and the units that AWS would bill for it.
pub struct BilledAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
}

impl Dynamo {
    /// Creates an empty table with this `CreateTable` request.
    ///
    /// # Errors
    /// If the database refuses it.
    pub fn with_table(table: &Value) -> Result<Self> {
        let database = Database::memory()?;
        database.create_table(serde_json::from_value(table.clone())?)?;
        Ok(Self(database))
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// The error that DynamoDB would return.
    pub fn call(&self, operation: &str, request: Value) -> Result<Value, DynoxideError> {
        macro_rules! call {
            ($method:ident) => {
                into_json(&self.0.$method(from_json(request)?)?)
            };
        }
        match operation {
            "BatchGetItem" => call!(batch_get_item),
            "GetItem" => call!(get_item),
            "PutItem" => call!(put_item),
            "Query" => call!(query),
            "TransactWriteItems" => call!(transact_write_items),
            "UpdateItem" => call!(update_item),
            _ => Err(DynoxideError::ValidationException(format!("the fake DynamoDB has no {operation}"))),
        }
    }

    /// Answers an HTTP request. The consumed units are requested from DynamoDB, and removed from the answer, because the
    /// client did not ask for them.
    pub(super) fn answer(&self, operation: &str, body: &[u8]) -> BilledAnswer {
        let outcome = serde_json::from_slice(body)
            .map_err(|error| DynoxideError::SerializationException(error.to_string()))
            .and_then(|mut request: Value| {
                if let Some(members) = request.as_object_mut() {
                    members.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
                }
                self.call(operation, request)
            });
        match outcome {
            Ok(mut answer) => {
                let consumed = answer.as_object_mut().and_then(|answer| answer.remove("ConsumedCapacity"));
                let units = units(&consumed.unwrap_or_default());
                let writes = matches!(operation, "PutItem" | "TransactWriteItems" | "UpdateItem");
                let (read_units, write_units) = if writes { (0.0, units) } else { (units, 0.0) };
                BilledAnswer { status: 200, body: answer.to_string(), read_units, write_units }
            }
            Err(error) => {
                BilledAnswer { status: error.status_code(), body: error.to_json(), read_units: 0.0, write_units: 0.0 }
            }
        }
    }

    /// Simulates that time has passed: moves every instant in the table into the past.
    ///
    /// # Errors
    /// If the table cannot be read or written.
    pub fn advance_time(&self, millis: i64) -> Result<()> {
        let mut request = json!({ "TableName": TABLE });
        let mut items = Vec::new();
        loop {
            let page = self.0.scan(serde_json::from_value(request.clone())?)?;
            items.extend(page.items.into_iter().flatten());
            let Some(last) = page.last_evaluated_key else { break };
            request = json!({ "TableName": TABLE, "ExclusiveStartKey": last });
        }
        for item in items {
            let mut item = serde_json::to_value(item)?;
            move_back(&mut item, millis);
            self.0.put_item(serde_json::from_value(json!({ "TableName": TABLE, "Item": item }))?)?;
        }
        Ok(())
    }
}

/// Numbers in this range are instants, in milliseconds since 1970. All other numbers in the table are much smaller.
const INSTANTS: std::ops::Range<i64> = 1_000_000_000_000..10_000_000_000_000;

fn move_back(value: &mut Value, millis: i64) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let instant = member.as_str().filter(|_| name == "N").and_then(|number| number.parse::<i64>().ok());
                match instant.filter(|instant| INSTANTS.contains(instant)) {
                    Some(instant) => *member = (instant - millis).to_string().into(),
                    None => move_back(member, millis),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_back(item, millis)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The units of `ConsumedCapacity`, which is an object, or a list with an object for each table.
fn units(consumed: &Value) -> f64 {
    match consumed.as_array() {
        Some(tables) => tables.iter().map(units).sum(),
        None => consumed.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default(),
    }
}

fn from_json<T: serde::de::DeserializeOwned>(request: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(request).map_err(|error| DynoxideError::SerializationException(error.to_string()))
}

fn into_json(answer: &impl serde::Serialize) -> Result<Value, DynoxideError> {
    serde_json::to_value(answer).map_err(|error| DynoxideError::SerializationException(error.to_string()))
}
