// The schema as the server shows it to the present headers.
const REF = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
const INTROSPECTION = `query Introspection { __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  directives { name args { name description type { ${REF} } } }
  types { kind name description enumValues(includeDeprecated: true) { name description }
    inputFields { name description type { ${REF} } }
    fields(includeDeprecated: true) { name description args { name description type { ${REF} } } type { ${REF} } } } } }`;

const byName = list => list && Object.fromEntries(list.map(item => [item.name, item]));

function readSchema(raw) {
  const name = type => type && type.name;
  return {
    roots: {query: name(raw.queryType), mutation: name(raw.mutationType), subscription: name(raw.subscriptionType)},
    directives: byName(raw.directives),
    types: byName(raw.types.map(type => ({
      kind: type.kind, name: type.name, description: type.description, fields: byName(type.fields),
      inputs: byName(type.inputFields), values: type.enumValues && type.enumValues.map(value => value.name),
    }))),
  };
}
