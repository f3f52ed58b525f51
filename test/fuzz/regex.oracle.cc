// The oracle for regex.fuzz.ts: what libstdc++ says, which is what Nix says.
//   g++ -std=c++20 -O1 -o oracle test/eval/regex.oracle.cc
// stdin: lines "hexpattern hexsubject". stdout, a line each: E (invalid), M (too large), T (took longer than 100 ms), or MATCH;SPLIT (see regex.fuzz.ts).
// Keep -std=c++…, not gnu++…: strict mode refuses escapes of ordinary characters, as Nix's build does.
#include <regex>
#include <csetjmp>
#include <csignal>
#include <sys/time.h>
static sigjmp_buf jb;static void onalarm(int){siglongjmp(jb,1);}
static void arm(int ms){itimerval t{{0,0},{0,ms*1000}};setitimer(ITIMER_REAL,&t,nullptr);}
#include <iostream>
#include <string>
static std::string unhex(const std::string&h){std::string r;for(size_t i=0;i+1<h.size();i+=2)r.push_back((char)std::stoi(h.substr(i,2),0,16));return r;}
static std::string hex(const std::string&s){static const char*d="0123456789abcdef";std::string r="'";for(unsigned char c:s){r+=d[c>>4];r+=d[c&15];}return r;}
int main(){signal(SIGALRM,onalarm);std::ios::sync_with_stdio(false);std::string line;while(std::getline(std::cin,line)){auto sp=line.find(' ');std::string p=unhex(line.substr(0,sp)),s=unhex(line.substr(sp+1));
 if(sigsetjmp(jb,1)){std::cout<<"T\n";continue;}arm(100);
 try{std::regex re(p.data(),p.size(),std::regex::extended);std::cmatch m;std::string out;const char*b=s.data(),*e=b+s.size();
  if(std::regex_match(b,e,m,re)){out="[";for(size_t i=1;i<m.size();i++){out+=m[i].matched?hex(m[i]):std::string("n");out+=" ";}out+="]";}else out="null";
  out+=";";auto it=std::cregex_iterator(b,e,re),end=std::cregex_iterator();for(;it!=end;++it){auto&m=*it;out+=hex(m.prefix())+"[";for(size_t i=1;i<m.size();i++){out+=m[i].matched?hex(m[i]):std::string("n");out+=" ";}out+="]"+hex(m.suffix())+"/";}
  arm(0);std::cout<<out<<"\n";}catch(std::regex_error&e){arm(0);std::cout<<(e.code()==std::regex_constants::error_space?"M":"E")<<"\n";}}}
