# Sorts source files into batches that can be compiled as one file each, and prints "batch<TAB>file".
# use: awk -f unity_batches.awk -v headers=N -v root=DIR/ [-v apart=1] HEADER... SOURCE...
# The first N files are headers. With apart, files of a batch also draw on the same modules: in a library whose
# users do not all link the same modules, one file must not bring another's needs along.
#
# A file may join a batch when nothing that an earlier member keeps to itself (in an anonymous namespace,
# static, an alias, a macro, a test) is mentioned in it or in a header it includes, and nothing that it
# keeps to itself is declared by a header of an earlier member. What stands in a comment, in a string, or
# behind "." "->" "::" is no mention. Reading is by line and trusts our format (what belongs to a namespace
# starts in column 1), so it errs towards separate batches; where it errs the other way the batch does not
# compile. Files keep the order given, so that neighbours, which include the same headers, meet.

BEGIN {
  if (!files_max) files_max = 12
  if (!lines_max) lines_max = 2500
  count = split("if for while switch return TEST TEST_F TEST_P INSTANTIATE_TEST_SUITE_P MATCHER " \
                "MATCHER_P MATCHER_P2 operator main", words, " ")
  for (i = 1; i <= count; i++) reserved[words[i]] = 1
}

FNR == 1 {
  files++
  self = FILENAME
  if (root != "" && index(self, root) == 1) self = substr(self, length(root) + 1)
  hidden = 0
  header = files <= headers
  if (!header) { sources++; source[sources] = self; path[self] = FILENAME }
}

function Keep(name) {
  if (name == "" || name in reserved || (self, name) in kept) return
  kept[self, name] = 1
  keeps[self] = keeps[self] " " name
}

function Declare(name) {
  if (name == "" || name in reserved || (self, name) in declared) return
  declared[self, name] = 1
  declares[self] = declares[self] " " name
}

# The name that a line in column 1 introduces: of a type, a function, a variable.
function Introduced(line,    name) {
  if (match(line, /^(struct|class|enum class|enum|union|using) +[A-Za-z_][A-Za-z_0-9]*/)) {
    if (line ~ /^using [^=]*$/) return ""
    name = substr(line, RSTART, RLENGTH)
    sub(/.* /, "", name)
    return name
  }
  if (match(line, /[A-Za-z_][A-Za-z_0-9]*(\[[^\]]*\])*( = |\{|;)/) && line !~ /^[^={]*\(/) {
    name = substr(line, RSTART, RLENGTH)
    sub(/[^A-Za-z_0-9].*/, "", name)
    return name
  }
  if (match(line, /[A-Za-z_0-9:]+\(/)) {
    name = substr(line, RSTART, RLENGTH - 1)
    return name ~ /::/ ? "" : name
  }
  return ""
}

{
  lines[self]++
  line = $0
}

/^#include "/ { split(line, words, "\""); includes[self] = includes[self] " " words[2]; next }
/^#define/ { name = $2; sub(/\(.*/, "", name); if (!header) Keep(name); next }
/^#/ { next }
/^namespace \{/ { hidden = 1; next }
/^\}  \/\/ namespace$/ { hidden = 0; next }

{
  gsub(/\\./, "", line)
  gsub(/"[^"]*"/, "\"\"", line)
  sub(/\/\/.*/, "", line)
}

/^(TEST|TEST_F|TEST_P)\(/ {
  split(line, words, /[(,) ]+/)
  Keep(words[2] "_" words[3] "_Test")
  mentions[self, words[2] "_" words[3] "_Test"] = 1
}
/^(MATCHER|INSTANTIATE_TEST_SUITE_P)/ { split(line, words, /[(,) ]+/); Keep(words[2]) }

/^using [^=]*;/ && !/^using namespace/ && !/^using (::)?(testing|std)::/ && !header {
  name = line
  sub(/;.*/, "", name)
  sub(/.*::/, "", name)
  Keep(name)
}

line ~ /^[A-Za-z_\[]/ {
  if (header) Declare(Introduced(line))
  else if (hidden || line ~ /^(static|constexpr|using) /) Keep(Introduced(line))
}

{
  gsub(/(\.|->|::)[A-Za-z_][A-Za-z_0-9]*/, " ", line)
  gsub(/[^A-Za-z_0-9]+/, " ", line)
  count = split(line, words, " ")
  for (i = 1; i <= count; i++) {
    if ((self, words[i]) in mentions) continue
    mentions[self, words[i]] = 1
  }
}

# All headers of ours that a file includes, directly or not, as reach[file, header].
function Reach(file, from,    names, n, i) {
  n = split(includes[from], names, " ")
  for (i = 1; i <= n; i++) {
    if ((file, names[i]) in reach) continue
    reach[file, names[i]] = 1
    reaches[file] = reaches[file] " " names[i]
    Reach(file, names[i])
  }
}

# The modules whose headers a file includes, directly or not.
function Modules(file,    heads, n, i, room, found, said) {
  n = split(reaches[file], heads, " ")
  said = ""
  for (i = 1; i <= n; i++) {
    room = heads[i]
    if (!sub(/\/.*/, "", room)) room = "app"
    found[room] = 1
  }
  n = split("exporter rules receivers app", heads, " ")
  for (i = 1; i <= n; i++) if (heads[i] in found) said = said " " heads[i]
  return said
}

# Whether `later` can follow `earlier` in one batch.
function Clash(earlier, later,    names, n, i, heads, m, j) {
  m = split(reaches[later], heads, " ")
  n = split(keeps[earlier], names, " ")
  for (i = 1; i <= n; i++) {
    if ((later, names[i]) in mentions) return names[i]
    for (j = 1; j <= m; j++)
      if ((heads[j], names[i]) in mentions && !((earlier, heads[j]) in reach)) return names[i]
  }
  m = split(reaches[earlier], heads, " ")
  n = split(keeps[later], names, " ")
  for (i = 1; i <= n; i++)
    for (j = 1; j <= m; j++)
      if ((heads[j], names[i]) in declared && !((later, heads[j]) in reach)) return names[i]
  return ""
}

function Fits(file, batch,    members, n, i) {
  n = split(content[batch], members, " ")
  if (n >= files_max || size[batch] + lines[file] > lines_max) return 0
  if (apart && Modules(file) != Modules(members[1])) return 0
  for (i = 1; i <= n; i++) {
    name = Clash(members[i], file)
    if (name != "") {
      if (explain) print members[i], file, name > "/dev/stderr"
      return 0
    }
  }
  return 1
}

END {
  for (s = 1; s <= sources; s++) Reach(source[s], source[s])
  for (s = 1; s <= sources; s++) {
    file = source[s]
    chosen = 0
    for (b = 1; b <= batches && !chosen; b++) if (Fits(file, b)) chosen = b
    if (!chosen) chosen = ++batches
    content[chosen] = content[chosen] " " file
    size[chosen] += lines[file]
    print chosen "\t" path[file]
  }
}
