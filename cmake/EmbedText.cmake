# cmake -DIN=file.txt -DOUT=file.cc -DNAME=kName -DHEADER=path/to/header.h -P EmbedText.cmake: a text file as a constant.
file(READ ${IN} text)
file(WRITE ${OUT} "// Written by cmake/EmbedText.cmake from ${HEADER}'s text file.
#include \"${HEADER}\"

namespace assay {

const char* const ${NAME} = R\"assay~(${text})assay~\";

}  // namespace assay
")
