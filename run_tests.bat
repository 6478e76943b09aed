@echo off
rem Set the lab up on the first run, then run all checks and tests, several at a time: run_tests.bat [pytest options]
setlocal
set "root=%~dp0"

rem Settings meant for another Python must not reach the lab's own.
set "PYTHONHOME="
set "PYTHONPATH="

set "python="
call :try "%root%.venv\Scripts\python.exe"
if not defined python call :try py -3
if not defined python call :try python
if not defined python goto :none

%python% -I "%root%lab_utils\bootstrap.py"
if errorlevel 1 exit /b %errorlevel%

cd /d "%root%"
"%root%.venv\Scripts\python.exe" -m pytest -c "%root%pyproject.toml" --rootdir "%root%." -n auto %*
exit /b %errorlevel%

:try
%* -I -c "import sys; sys.exit(sys.version_info[:2] < (3, 11))" >nul 2>nul
if not errorlevel 1 set python=%*
exit /b 0

:none
echo The lab needs Python 3.11 or newer and found none; run: winget install Python.Python.3.12 1>&2
exit /b 1
