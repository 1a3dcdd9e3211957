# The rules of requirements.sh. Reads the names of all tests first, then the file, which keeps to a
# part of TOML that merges line by line: `[ID]`, `what = ".."`, lists with one test a line, `missing`.

BEGIN {
  requirements = 27
  faults = 52
  for (i = 1; i <= requirements; i++)
    wanted[++wanted_count] = "R" i
  for (i = 1; i <= faults; i++)
    wanted[++wanted_count] = "F" i
}

function report(text) {
  printf "%s:%d: %s\n", FILENAME, FNR, text
  breaches++
}

function text_of(line) { # what stands between the outermost quotes
  sub(/^[^"]*"/, "", line)
  sub(/",?[ \t]*$/, "", line)
  gsub(/\\"/, "\"", line)
  gsub(/\\\\/, "\\", line)
  return line
}

# A room whose tests were not built says nothing about its names.
function exists(name,   room) {
  room = name
  sub(/\/.*/, "", room)
  if (room in not_built) {
    skipped++
    return 1
  }
  return name in known
}

function close_entry(   what) {
  if (id == "")
    return
  what = ""
  if (id ~ /^R/) {
    if (!count["topology"])
      what = what ", no test from a topology"
    if (!count["class"])
      what = what ", no test from a class"
  } else if (!count["tests"]) {
    what = what ", no test"
  }
  if (missing != "")
    what = what ", missing: " missing
  if (what != "")
    open[++open_count] = id " " title ": " substr(what, 3)
  else
    shown++
  if (title == "")
    report("[" id "] has no `what`")
  delete count
  id = title = missing = ""
}

function open_entry(name) {
  close_entry()
  id = name
  if (id != wanted[++at])
    report("expected [" wanted[at] "], found [" id "]: each stands here once, in order")
  for (i = 1; i <= wanted_count; i++)
    if (wanted[i] == id)
      at = i
}

NR == FNR {
  known[$0] = 1
  if ($0 ~ /_NOT_BUILT/ && match($0, /^test_[a-z]+/))
    not_built[substr($0, 6, RLENGTH - 5)] = 1
  next
}
/^(#.*)?$/ { next }
/^\[[A-Z][0-9]+\]$/ { open_entry(substr($0, 2, length($0) - 2)); next }
/^what = ".+"$/ { title = text_of($0); next }
/^missing = ".+"$/ { missing = text_of($0); next }
/^(topology|class|tests) = \[$/ && list == "" {
  list = $1
  if ((list == "tests") != (id ~ /^F/))
    report("a requirement has `topology` and `class`, a fault has `tests`")
  next
}
/^\]$/ && list != "" { list = ""; next }
/^  ".+",$/ && list != "" {
  name = text_of($0)
  count[list]++
  named++
  if (!exists(name))
    report("no test is named '" name "'")
  next
}
{ report("not a line of this file's form: " $0) }

END {
  close_entry()
  if (at != wanted_count)
    report("the entries after [" wanted[at] "] are missing")
  for (i = 1; i <= open_count; i++)
    print "open: " open[i]
  printf "requirements: %d of %d shown, %d open; %d tests named", shown, wanted_count, open_count, named
  if (skipped)
    printf "; %d of rooms that are not built", skipped
  print ""
  exit breaches > 0
}
