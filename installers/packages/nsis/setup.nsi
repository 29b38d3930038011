; The setup of one user, for NSIS 3: it asks for no administrator, and writes below that user's own folders and registry alone.
;
; What is installed comes from plan.nsh, which packages write (src/windows/nsis.rs): the compressor, the defines VERSION, NUMBER, SIZE, OUT and
; ICON, and the macros PutFiles and TakeFiles. Options beside NSIS' own /S and /D=FOLDER: /PATH, /NOPATH, /MENU, /NOMENU; of the uninstaller /DATA.

Target amd64-unicode
ManifestDPIAware true
ManifestSupportedOS all
RequestExecutionLevel user
SetDateSave off
ShowInstDetails nevershow
ShowUninstDetails nevershow
BrandingText "Berth ${VERSION}"
Name "Berth"
InstallDir "$LOCALAPPDATA\Programs\Berth"
InstallDirRegKey HKCU "Software\Berth" "Folder"

!include FileFunc.nsh
!include LogicLib.nsh
!include MUI2.nsh
!include Sections.nsh
!include plan.nsh
!include words.nsh

OutFile "${OUT}"
VIProductVersion "${NUMBER}"
VIAddVersionKey ProductName "Berth"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey FileDescription "Berth Setup"
VIAddVersionKey LegalCopyright "the authors of Berth; Apache License 2.0"

!define OWN "Software\Berth"
!define LISTED "Software\Microsoft\Windows\CurrentVersion\Uninstall\Berth"
!define TERMINAL "$SMPROGRAMS\Berth Quickstart Terminal.lnk"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN "$INSTDIR\bin\berth.exe"
!define MUI_FINISHPAGE_RUN_PARAMETERS "terminal"
!define MUI_FINISHPAGE_RUN_TEXT "$(OpenTerminal)"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_COMPONENTS
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "SimpChinese"
!insertmacro Words

; Programs that start from now on look in the new PATH.
!macro TellOfPath
  SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=2000
!macroend

Section "!Berth" Programs
  SectionIn RO
  ; What an older version has and this one has not goes with it, wherever it was put. In its own folder, since it would copy itself away and be
  ; waited for by nobody.
  ReadRegStr $2 HKCU "${OWN}" "Folder"
  ${If} $2 != ""
  ${AndIf} ${FileExists} "$2\uninstall.exe"
  ${AndIf} ${FileExists} "$2\bin\berth.exe"
    ClearErrors
    ExecWait '"$2\uninstall.exe" /S /UPGRADE _?=$2' $0
    ${If} ${Errors}
    ${OrIf} $0 <> 0
      MessageBox MB_OK|MB_ICONSTOP "$(InUse)" /SD IDOK
      SetErrorLevel 3
      Quit
    ${EndIf}
  ${EndIf}
  ClearErrors
  !insertmacro PutFiles
  SetOutPath "$INSTDIR"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  ${If} ${Errors}
    SetErrorLevel 4
    Abort "$(NotWritten)"
  ${EndIf}
  ${If} $2 != ""
  ${AndIf} $2 != $INSTDIR
    nsExec::ExecToLog '"$INSTDIR\bin\berth.exe" user-path remove "$2\bin"'
    Pop $0
    Delete "$2\uninstall.exe"
    RMDir "$2"
  ${EndIf}
  WriteRegStr HKCU "${OWN}" "Folder" "$INSTDIR"
  WriteRegStr HKCU "${LISTED}" "DisplayName" "Berth"
  WriteRegStr HKCU "${LISTED}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${LISTED}" "DisplayIcon" "$INSTDIR\berth.ico"
  WriteRegStr HKCU "${LISTED}" "Publisher" "the authors of Berth"
  WriteRegStr HKCU "${LISTED}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${LISTED}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${LISTED}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${LISTED}" "EstimatedSize" ${SIZE}
  WriteRegDWORD HKCU "${LISTED}" "NoModify" 1
  WriteRegDWORD HKCU "${LISTED}" "NoRepair" 1
SectionEnd

Section "$(PathName)" Path
  nsExec::ExecToLog '"$INSTDIR\bin\berth.exe" user-path add "$INSTDIR\bin"'
  Pop $0
  ${If} $0 != 0
    MessageBox MB_OK|MB_ICONEXCLAMATION "$(NotOnPath)" /SD IDOK
    SetErrorLevel 5
  ${EndIf}
  !insertmacro TellOfPath
SectionEnd

Section "$(MenuName)" Menu
  SetOutPath "$PROFILE"
  CreateShortcut "${TERMINAL}" "$INSTDIR\bin\berth.exe" "terminal" "$INSTDIR\berth.ico" 0 SW_SHOWNORMAL "" "$(TerminalTip)"
SectionEnd

; What was not wanted is taken away where an older version was there with it, and remembered for the next one.
Section "-choices"
  ${If} ${SectionIsSelected} ${Path}
    WriteRegDWORD HKCU "${OWN}" "Path" 1
  ${Else}
    WriteRegDWORD HKCU "${OWN}" "Path" 0
    nsExec::ExecToLog '"$INSTDIR\bin\berth.exe" user-path remove "$INSTDIR\bin"'
    Pop $0
    !insertmacro TellOfPath
  ${EndIf}
  ${If} ${SectionIsSelected} ${Menu}
    WriteRegDWORD HKCU "${OWN}" "Menu" 1
  ${Else}
    WriteRegDWORD HKCU "${OWN}" "Menu" 0
    Delete "${TERMINAL}"
  ${EndIf}
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${Programs} "$(ProgramsTip)"
  !insertmacro MUI_DESCRIPTION_TEXT ${Path} "$(PathTip)"
  !insertmacro MUI_DESCRIPTION_TEXT ${Menu} "$(TerminalTip)"
!insertmacro MUI_FUNCTION_DESCRIPTION_END

; A part is left out or taken when the command line says so, or else as the choice before did.
!macro Choose SECTION NAME
  ClearErrors
  ReadRegDWORD $0 HKCU "${OWN}" "${NAME}"
  ${IfNot} ${Errors}
  ${AndIf} $0 = 0
    !insertmacro UnselectSection ${SECTION}
  ${EndIf}
  ClearErrors
  ${GetParameters} $0
  ${GetOptions} $0 "/NO${NAME}" $1
  ${IfNot} ${Errors}
    !insertmacro UnselectSection ${SECTION}
  ${EndIf}
  ClearErrors
  ${GetOptions} $0 "/${NAME}" $1
  ${IfNot} ${Errors}
    !insertmacro SelectSection ${SECTION}
  ${EndIf}
  ClearErrors
!macroend

Function .onInit
  !insertmacro Choose ${Path} "Path"
  !insertmacro Choose ${Menu} "Menu"
FunctionEnd

Var Upgrade

Section "un.Berth" UnPrograms
  SectionIn RO
  ; Of upgrades before, whose programs ran.
  Delete "$INSTDIR\bin\berth.exe.*.old"
  ${If} ${FileExists} "$INSTDIR\bin\berth.exe"
    ${If} $Upgrade == ""
      ; The command asks nobody, tells what it does, and knows where everything is.
      Call un.WhatGoes
      nsExec::ExecToLog '"$INSTDIR\bin\berth.exe" uninstall --yes$1'
      Pop $0
      ${If} $0 != 0
        MessageBox MB_YESNO|MB_ICONEXCLAMATION "$(NotEnded)" /SD IDNO IDYES goes_on
        SetErrorLevel 3
        Quit
        goes_on:
      ${EndIf}
      nsExec::ExecToLog '"$INSTDIR\bin\berth.exe" user-path remove "$INSTDIR\bin"'
      Pop $0
      !insertmacro TellOfPath
    ${Else}
      ; The machine goes on; its next daemon is the new one.
      nsExec::ExecToLog '"$INSTDIR\bin\berth.exe" machine quit'
      Pop $0
    ${EndIf}
    ; Before anything else goes: a program that runs cannot be removed, but it can make way.
    ClearErrors
    Delete "$INSTDIR\bin\berth.exe"
    ${If} ${Errors}
    ${AndIf} $Upgrade != ""
      StrCpy $2 0
      ${Do}
        IntOp $2 $2 + 1
      ${LoopWhile} ${FileExists} "$INSTDIR\bin\berth.exe.$2.old"
      Rename "$INSTDIR\bin\berth.exe" "$INSTDIR\bin\berth.exe.$2.old"
    ${EndIf}
    ${If} ${FileExists} "$INSTDIR\bin\berth.exe"
      MessageBox MB_OK|MB_ICONSTOP "$(InUse)" /SD IDOK
      SetErrorLevel 3
      Quit
    ${EndIf}
  ${EndIf}
  !insertmacro TakeFiles
  ${If} $Upgrade == ""
    Delete "${TERMINAL}"
    DeleteRegKey HKCU "${LISTED}"
    DeleteRegKey HKCU "${OWN}"
  ${EndIf}
  Delete "$INSTDIR\uninstall.exe"
  ; Only when nothing of somebody else's is in it.
  RMDir "$INSTDIR"
SectionEnd

Section /o "un.$(DataName)" UnData
SectionEnd

!insertmacro MUI_UNFUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${UnPrograms} "$(UnProgramsTip)"
  !insertmacro MUI_DESCRIPTION_TEXT ${UnData} "$(DataTip)"
!insertmacro MUI_UNFUNCTION_DESCRIPTION_END

; Into $1 what `berth uninstall` is told beside.
Function un.WhatGoes
  StrCpy $1 ""
  ${If} ${SectionIsSelected} ${UnData}
    StrCpy $1 " --data"
  ${EndIf}
FunctionEnd

Function un.onInit
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/UPGRADE" $1
  ${IfNot} ${Errors}
    StrCpy $Upgrade "yes"
  ${EndIf}
  ClearErrors
  ${GetOptions} $0 "/DATA" $1
  ${IfNot} ${Errors}
    !insertmacro SelectSection ${UnData}
  ${EndIf}
  ClearErrors
FunctionEnd
