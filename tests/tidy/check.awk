# The rules of check.sh. Reads C++ just well enough to tell code from comments and literals, and a
# brace that opens a block from one that initialises a temporary.

function report(line, rule, text) {
  if (index(source[line] source[line - 1], "tidy: allow(" rule ")"))
    return
  sub(/^[ \t]+/, "", text)
  printf "%s:%d: %s: %s\n", file, line, rule, text
  breaches++
}

# A line without comments, and with empty literals. What spans lines is kept in `open_until`.
function code_of(line,   out, i, c, n, rest) {
  out = ""
  n = length(line)
  for (i = 1; i <= n; i++) {
    rest = substr(line, i)
    c = substr(rest, 1, 1)
    if (open_until != "") {
      if (!index(rest, open_until))
        return out
      i += index(rest, open_until) + length(open_until) - 2
      open_until = ""
    } else if (rest ~ /^\/\//) {
      return out
    } else if (rest ~ /^\/\*/) {
      open_until = "*/"
      i++
    } else if (rest ~ /^R"[^( ]*\(/) {
      match(rest, /\(/)
      open_until = ")" substr(rest, 3, RSTART - 3) "\""
      i += RSTART - 1
      out = out "\"\""
    } else if (c == "\"" || (c == "'" && out !~ /[0-9a-fA-F]$/)) {
      for (i++; i <= n && substr(line, i, 1) != c; i++)
        if (substr(line, i, 1) == "\\")
          i++
      out = out "\"\""
    } else {
      out = out c
    }
  }
  return out
}

function line_rules(line, text, code) {
  if (text ~ /#[ ]*include/) {
    if (text ~ /caf\/all\.hpp/)
      report(line, "umbrella", "caf/all.hpp costs two seconds a file")
    if (file ~ /^runtime\// && file !~ /^runtime\/bin\// && text ~ /"(actors|config|tests|examples)\//)
      report(line, "direction", "runtime includes nothing above it")
    if (file ~ /^actors\// && text ~ /"(config|tests|examples)\//)
      report(line, "direction", "actors include nothing above them")
    if (file ~ /^config\// && text ~ /"(tests|examples)\//)
      report(line, "direction", "config includes nothing above it")
    if (file !~ /^config\// && text ~ /toml\+\+/)
      report(line, "direction", "only config includes toml++")
    return
  }
  if (file ~ /^(runtime|actors|config)\// && file !~ /^runtime\/(core\/clock\.cpp|bin\/|net\/)/ \
      && code ~ /_clock::now *\(|(^|[^a-zA-Z0-9_.>])s?rand *\(|random_device/)
    report(line, "injected", "time and chance come from time_source and random_source")
  if (file ~ /^tests\// && file !~ /^tests\/(chaos|bench|mcp)\// && code ~ /sleep_(for|until) *\(|usleep *\(/)
    report(line, "sleep", "a test waits in virtual time")
  if (code ~ /switch *\([^;]*co_await|\? *co_await|auto&* *\[[^]]*\] *= *co_await/)
    report(line, "co_await", "no switch, ternary or structured binding on co_await: name its result")
}

# Frames: B a block, P a bracket, I an initialiser. Each has the text of its statement so far, with
# what stands in brackets left out, the line of an await in it, and a suspicious temporary.
function push(kind) { kinds[++top] = kind; begin() }
function begin() { text[top] = ""; await[top] = 0; suspect[top] = "" }

function statement_ends() {
  if (await[top] && suspect[top] != "")
    report(suspect_line[top], "co_await", suspect[top] " in one statement with co_await: name it first")
  begin()
}

function suspects(what, line) { suspect[top] = what; suspect_line[top] = line }

function opens_block(t) {
  return (t == "" ? kinds[top] == "B" : t ~ /[])}:;]$/) || t ~ /\) *(mutable|noexcept)? *->[^=;]*$/ \
    || t ~ /(^|[^a-zA-Z0-9_])(else|do|try|const|noexcept|mutable|override|final)$/ \
    || t ~ /(^|[ :])(namespace|struct|class|union|enum)( [^=()]*)?$/
}

function captures_by_value(rest,   list) {
  if (rest !~ /^\[[^]]*\] *[({mn-]/ || rest ~ /^\[\[/)
    return 0
  list = substr(rest, 2, index(rest, "]") - 2)
  gsub(/&[a-z_0-9]*( *= *[^,]*)?|this|[ ,]/, "", list)
  return list != ""
}

function walk(code, line,   i, c, t, child, name) {
  for (i = 1; i <= length(code); i++) {
    c = substr(code, i, 1)
    t = text[top]
    sub(/ +$/, "", t)
    if (c == "{" && opens_block(t)) {
      if (kinds[top] == "B")
        statement_ends()
      push("B")
    } else if (c == "{") {
      name = match(t, /[a-zA-Z0-9_:]+(<[^()]*>)?$/) ? substr(t, RSTART) : ""
      # Types with real constructors are safe, and so is a value-initialised `{}`.
      if (substr(code, i + 1) !~ /^ *}/ \
          && name !~ /(seconds|minutes|hours|days|string|string_view|error|errc|path)$/)
        suspects(name "{..}", line)
      push("I")
    } else if (c == "(" || c == "[") {
      if (c == "[" && t !~ /[a-zA-Z0-9_)\]]$/ && captures_by_value(substr(code, i)))
        suspects("a lambda that captures by value", line)
      push("P")
    } else if (c == ")" || c == "]" || c == "}") {
      if (top == 0)
        continue
      if (kinds[top] == "B") {
        statement_ends()
        top--
        if (kinds[top] == "B")
          begin()
        else
          text[top] = text[top] "{}"
      } else {
        child = top--
        if (await[child])
          await[top] = await[child]
        if (suspect[child] != "")
          suspects(suspect[child], suspect_line[child])
        text[top] = text[top] (c == ")" ? "()" : c == "]" ? "[]" : "{}")
      }
    } else if (c == ";" && kinds[top] != "I") {
      if (kinds[top] == "B")
        statement_ends()
      else
        text[top] = "" # between the parts of a `for`, or of an `if` with an initialiser
    } else {
      text[top] = text[top] c
      if (text[top] ~ /(^|[^a-zA-Z0-9_])co_await$/)
        await[top] = line
    }
  }
  text[top] = text[top] " "
}

function check_file(   i, code, directive) {
  top = 0
  kinds[0] = "B"
  begin()
  open_until = ""
  directive = 0
  for (i = 1; i <= lines; i++) {
    code = code_of(source[i])
    line_rules(i, source[i], code)
    directive = directive || code ~ /^ *#/
    if (!directive)
      walk(code, i)
    directive = directive && code ~ /\\$/
  }
}

FNR == 1 {
  if (lines)
    check_file()
  file = FILENAME
  lines = 0
}
{ source[++lines] = $0 }
END {
  if (lines)
    check_file()
  exit breaches > 0
}
