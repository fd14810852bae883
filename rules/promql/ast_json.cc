#include "rules/promql/ast_json.h"

#include "common/json.h"
#include "common/number.h"
#include "rules/promql/function_table.h"

namespace fettle::promql {
namespace {

// How an expression's type is called here; messages call a vector "instant vector".
std::string_view TypeName(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "vector";
    case ValueType::kMatrix:
      return "matrix";
    case ValueType::kNone:
      break;
  }
  return "none";
}

std::string_view CardinalityName(Cardinality cardinality) {
  switch (cardinality) {
    case Cardinality::kManyToOne:
      return "many-to-one";
    case Cardinality::kOneToMany:
      return "one-to-many";
    case Cardinality::kManyToMany:
      return "many-to-many";
    case Cardinality::kOneToOne:
      break;
  }
  return "one-to-one";
}

class TreeWriter {
 public:
  std::string Take() { return json_.Take(); }

  void Write(const Expr* expr) {
    if (expr == nullptr) {
      json_.Null();
      return;
    }
    json_.BeginObject();
    if (const auto* aggregate = As<AggregateExpr>(*expr)) {
      WriteAggregate(*aggregate);
    } else if (const auto* binary = As<BinaryExpr>(*expr)) {
      WriteBinary(*binary);
    } else if (const auto* call = As<Call>(*expr)) {
      WriteCall(*call);
    } else if (const auto* matrix = As<MatrixSelector>(*expr)) {
      WriteSelector(*matrix->selector, matrix->range, "matrixSelector");
    } else if (const auto* selector = As<VectorSelector>(*expr)) {
      WriteSelector(*selector, std::nullopt, "vectorSelector");
    } else if (const auto* subquery = As<SubqueryExpr>(*expr)) {
      WriteSubquery(*subquery);
    } else {
      WriteSimple(*expr);
    }
    json_.EndObject();
  }

 private:
  void WriteList(std::string_view key, const std::vector<std::string>& list) {
    json_.Key(key).BeginArray();
    for (const std::string& one : list) json_.String(one);
    json_.EndArray();
  }

  void WriteAggregate(const AggregateExpr& expr) {
    json_.Key("expr");
    Write(expr.inner);
    WriteList("grouping", expr.grouping);
    json_.Field("op", ToString(expr.op)).Key("param");
    Write(expr.parameter);
    json_.Field("type", "aggregation").Field("without", expr.without);
  }

  void WriteBinary(const BinaryExpr& expr) {
    json_.Field("bool", expr.return_bool).Key("lhs");
    Write(expr.lhs);
    json_.Key("matching");
    if (expr.lhs->type == ValueType::kVector && expr.rhs->type == ValueType::kVector) {
      WriteMatching(expr.matching);
    } else {
      json_.Null();
    }
    json_.Field("op", ToString(expr.op)).Key("rhs");
    Write(expr.rhs);
    json_.Field("type", "binaryExpr");
  }

  void WriteMatching(const VectorMatching& matching) {
    json_.BeginObject().Field("card", CardinalityName(matching.cardinality));
    if (matching.fill_left || matching.fill_right) {
      json_.Key("fillValues").BeginObject().Key("lhs");
      WriteFill(matching.fill_left);
      json_.Key("rhs");
      WriteFill(matching.fill_right);
      json_.EndObject();
    }
    WriteList("include", matching.include);
    WriteList("labels", matching.labels);
    json_.Field("on", matching.on).EndObject();
  }

  void WriteFill(const std::optional<double>& value) {
    value ? json_.Number(*value) : json_.Null();
  }

  void WriteCall(const Call& call) {
    json_.Key("args").BeginArray();
    for (const Expr* argument : call.arguments) Write(argument);
    json_.EndArray().Key("func").BeginObject().Key("argTypes").BeginArray();
    for (const ValueType type : call.function->arguments) json_.String(TypeName(type));
    json_.EndArray().Field("name", call.function->name);
    json_.Field("returnType", TypeName(call.function->result));
    json_.Field("variadic", call.function->variadic).EndObject().Field("type", "call");
  }

  void WriteSelector(const VectorSelector& selector, std::optional<Millis> range,
                     std::string_view type) {
    json_.Key("matchers").BeginArray();
    for (const Matcher& matcher : selector.matchers) {
      json_.BeginObject()
          .Field("name", matcher.name())
          .Field("type", fettle::ToString(matcher.type()));
      json_.Field("value", matcher.value()).EndObject();
    }
    json_.EndArray().Field("name", selector.name).Field("offset", selector.when.offset.count());
    if (range) json_.Field("range", range->count());
    WriteEdge(selector.when);
    WriteTimestamp(selector.when);
    json_.Field("type", type);
  }

  void WriteSubquery(const SubqueryExpr& expr) {
    json_.Key("expr");
    Write(expr.inner);
    json_.Field("offset", expr.when.offset.count()).Field("range", expr.range.count());
    WriteEdge(expr.when);
    json_.Field("step", expr.step.count());
    WriteTimestamp(expr.when);
    json_.Field("type", "subquery");
  }

  void WriteEdge(const When& when) {
    json_.Key("startOrEnd");
    if (when.edge == When::Edge::kNone) {
      json_.Null();
    } else {
      json_.String(when.edge == When::Edge::kStart ? "start" : "end");
    }
  }

  void WriteTimestamp(const When& when) {
    json_.Key("timestamp");
    when.timestamp ? json_.Integer(*when.timestamp) : json_.Null();
  }

  // Literals, parentheses, signs.
  void WriteSimple(const Expr& expr) {
    if (const auto* number = As<NumberLiteral>(expr)) {
      json_.Field("type", "numberLiteral").Field("val", FormatFloatFixed(number->value));
    } else if (const auto* string = As<StringLiteral>(expr)) {
      json_.Field("type", "stringLiteral").Field("val", string->value);
    } else if (const auto* paren = As<ParenExpr>(expr)) {
      json_.Key("expr");
      Write(paren->inner);
      json_.Field("type", "parenExpr");
    } else if (const auto* unary = As<UnaryExpr>(expr)) {
      json_.Key("expr");
      Write(unary->inner);
      json_.Field("op", ToString(unary->op)).Field("type", "unaryExpr");
    }
  }

  JsonWriter json_;
};

}  // namespace

std::string TreeAsJson(const Expr& expr) {
  TreeWriter writer;
  writer.Write(&expr);
  return writer.Take();
}

}  // namespace fettle::promql
