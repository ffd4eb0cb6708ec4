# cmake -DFOLDER=tasks/specs -DOUT=embedded_specs.cc -P EmbedSpecs.cmake: writes every FOLDER/**/*.yaml into one source.
file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*.yaml)
list(SORT files)
set(body "")
foreach(file IN LISTS files)
  file(READ ${FOLDER}/${file} text)
  string(APPEND body "    {\"${file}\", R\"assay~(${text})assay~\"},\n")
endforeach()
file(WRITE ${OUT} "// Written by cmake/EmbedSpecs.cmake from tasks/specs.
#include \"tasks/embedded_specs.h\"

namespace assay {

const std::vector<EmbeddedSpec>& embedded_specs() {
  static const std::vector<EmbeddedSpec> specs = {
${body}  };
  return specs;
}

}  // namespace assay
")
