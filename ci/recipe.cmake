# What each variant is compiled from, as data: generated/recipe.json, from which `assay export` makes other people's builds.
#   variant_flags  of every variant in C++; isas: {name: flags of its own}
#   units          {name: {isa ("" for C), files, defines, options}}: what is compiled in one way
#   kernels        {name: {stem: what its header names things after, header, format ("" without), unit: of its contract}}
#   variants       {"kernel/label": {unit, file, symbol, pack ("" without), unit_of_pack}}

# out: the text as JSON.
function(json_of_text text out)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
endfunction()

# out: the texts as a list in JSON.
function(json_of_list out)
  set(json "")
  foreach(text ${ARGN})
    json_of_text("${text}" text)
    list(APPEND json "${text}")
  endforeach()
  list(JOIN json ", " json)
  set(${out} "[${json}]" PARENT_SCOPE)
endfunction()

# recipe_unit(name isa FILES files... DEFINES ... OPTIONS ...)
function(recipe_unit name isa)
  cmake_parse_arguments(UNIT "" "" "FILES;DEFINES;OPTIONS" ${ARGN})
  set(files "")
  foreach(file ${UNIT_FILES})
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
    list(APPEND files ${file})
  endforeach()
  json_of_list(files ${files})
  json_of_list(defines ${UNIT_DEFINES})
  json_of_list(options ${UNIT_OPTIONS})
  set_property(GLOBAL APPEND_STRING PROPERTY recipe_units
               "  \"${name}\": {\"isa\": \"${isa}\", \"files\": ${files}, \"defines\": ${defines}, \"options\": ${options}},\n")
endfunction()

# recipe_kernel(name stem header format unit)
function(recipe_kernel name stem header format unit)
  set_property(GLOBAL APPEND_STRING PROPERTY recipe_kernels
               "  \"${name}\": {\"stem\": \"${stem}\", \"header\": \"${header}\", \"format\": \"${format}\", \"unit\": \"${unit}\"},\n")
endfunction()

# recipe_variant(name unit file symbol pack unit_of_pack)
function(recipe_variant name unit file symbol pack unit_of_pack)
  set_property(GLOBAL APPEND_STRING PROPERTY recipe_variants
               "  \"${name}\": {\"unit\": \"${unit}\", \"file\": \"${file}\", \"symbol\": \"${symbol}\", \"pack\": \"${pack}\", \"unit_of_pack\": \"${unit_of_pack}\"},\n")
endfunction()

# Writes the file.
function(write_recipe)
  foreach(part units kernels variants)
    get_property(${part} GLOBAL PROPERTY recipe_${part})
    string(REGEX REPLACE ",\n$" "\n" ${part} "${${part}}")
  endforeach()
  set(flags "")
  foreach(isa ${isas})
    json_of_list(of_isa ${flags_${isa}})
    list(APPEND flags "\"${isa}\": ${of_isa}")
  endforeach()
  list(JOIN flags ",\n  " flags)
  json_of_list(of_all ${variant_flags})
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/recipe.json @ONLY CONTENT "{\"variant_flags\": @of_all@,
\"isas\": {
  @flags@},
\"units\": {
@units@},
\"kernels\": {
@kernels@},
\"variants\": {
@variants@}}
")
endfunction()
